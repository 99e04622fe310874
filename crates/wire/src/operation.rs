//! Operations and services: what the generator knows of them beside their shapes.

use std::fmt;

use crate::shape::set_members;
use crate::{Kind, Schema, Shape, View};

/// One operation of AWS's, as a type without values.
pub trait Operation: Send + Sync + 'static {
    /// What it is asked with.
    type Input: Shape + Default;
    /// What it answers.
    type Output: Shape + Default;
    /// All else that is known of it.
    const SCHEMA: &'static OperationSchema;
}

/// What is known of one operation.
pub struct OperationSchema {
    /// Such as `CreateFunction`.
    pub name: &'static str,
    /// Whose it is.
    pub service: &'static ServiceSchema,
    /// Method, path and status of the REST protocols.
    pub http: Http,
    /// Table of the input, always a structure.
    pub input: &'static Schema,
    /// Table of the output, always a structure.
    pub output: &'static Schema,
    /// Makes an empty input, for those who know the operation by this table only.
    pub new_input: fn() -> Box<dyn Shape>,
    /// Makes an empty output.
    pub new_output: fn() -> Box<dyn Shape>,
    /// Tables of the errors that the model lists.
    pub errors: &'static [&'static Schema],
    /// Which kind of handler it has.
    pub lane: Lane,
    /// IAM action, such as `lambda:InvokeFunction`.
    pub action: &'static str,
    /// Template of the resource's ARN: `{region}`, `{account}`, or a member of the input by name.
    pub resource: &'static str,
    /// How it is paged.
    pub paginator: Option<Paginator>,
    /// Element around the result in the query protocol.
    pub result_wrapper: Option<&'static str>,
    /// What clients put before the host name, such as `stream-`.
    pub host_prefix: Option<&'static str>,
    /// False for operations that anyone may call without a signature.
    pub signed: bool,
    /// True when the body is not part of the signature.
    pub unsigned_payload: bool,
    /// How its XML answer begins, where that is not as the model's shapes say.
    pub xml_root: XmlRoot,
}

/// How an answer of the rest-xml protocol begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlRoot {
    /// With the output's own name.
    Shape,
    /// With this name.
    Named(&'static str),
    /// With its only member.
    Bare,
}

/// HTTP binding of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Http {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Path with labels, and query parameters that must be there:
    /// `/2018-10-31/layers/{LayerName}/versions`, `/layers?find=LayerVersion`.
    pub uri: &'static str,
    /// Status of success.
    pub status: u16,
}

/// Which kind of handler an operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Reads one snapshot.
    Query,
    /// Is one transaction.
    Command,
    /// Waits or carries bytes; at most one commit at its end.
    Flow,
}

/// How an operation is paged; names of members.
#[derive(Clone, Copy, Debug)]
pub struct Paginator {
    /// Members of the input that take the token.
    pub input_token: &'static [&'static str],
    /// Paths in the output that give it.
    pub output_token: &'static [&'static str],
    /// Member of the input that bounds the page.
    pub limit_key: Option<&'static str>,
    /// Path in the output that says whether more follows.
    pub more_results: Option<&'static str>,
    /// Paths of what is paged.
    pub result_key: &'static [&'static str],
}

/// A protocol of AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `X-Amz-Target`, JSON both ways, `application/x-amz-json-1.0`.
    Json10,
    /// The same as `application/x-amz-json-1.1`.
    Json11,
    /// The same with CBOR bodies, `application/x-amz-cbor-1.1`, as AWS's Java SDKs speak to
    /// Kinesis: times are milliseconds. No model lists it.
    Cbor11,
    /// Paths and verbs, JSON bodies.
    RestJson,
    /// Paths and verbs, XML bodies.
    RestXml,
    /// Form in, XML out.
    Query,
    /// EC2's dialect of query.
    Ec2,
    /// Smithy RPC v2, CBOR both ways.
    RpcV2Cbor,
}

/// A service: its names, protocols, operations.
pub struct ServiceSchema {
    /// botocore's folder, such as `cloudwatch`.
    pub id: &'static str,
    /// Such as `CloudWatch Logs`.
    pub service_id: &'static str,
    /// First label of its host names, such as `monitoring`.
    pub endpoint_prefix: &'static str,
    /// Name in the credential scope.
    pub signing_name: &'static str,
    /// Such as `2015-03-31`.
    pub api_version: &'static str,
    /// What stands before the dot of `X-Amz-Target`.
    pub target_prefix: Option<&'static str>,
    /// Default namespace of its XML.
    pub xml_namespace: Option<&'static str>,
    /// In the model's order; the first is preferred.
    pub protocols: &'static [Protocol],
    /// JSON and CBOR errors also carry the query protocol's code.
    pub query_compatible: bool,
    /// Listed operations.
    pub operations: &'static [&'static OperationSchema],
    /// The model's other operations.
    pub unlisted: &'static [Unlisted],
    /// Its operations that give tags to what they make, for which AWS asks a second action.
    pub taggings: &'static [Tagging],
    /// How it words violations of the model.
    pub error_style: ErrorStyle,
    /// True where the first label of a path may stand before the host's name instead:
    /// `BUCKET.s3.localhost`.
    pub host_label: bool,
    /// The member that the path of a request of the query protocol may hold, as a queue's URL
    /// does.
    pub path_member: Option<&'static str>,
}

/// An operation of the model that is not listed: known to AWS, not offered here.
#[derive(Clone, Copy, Debug)]
pub struct Unlisted {
    /// Its name.
    pub name: &'static str,
    /// Its HTTP method.
    pub method: &'static str,
    /// Its path, and what must be there: query parameters after `?`, headers after `@`.
    pub uri: &'static str,
}

/// What a caller must be allowed beside an operation's own action when they give tags with it.
#[derive(Clone, Copy, Debug)]
pub struct Tagging {
    /// The operation's name.
    pub operation: &'static str,
    /// The member of its input that holds the tags.
    pub member: &'static str,
    /// The second action, such as `lambda:TagResource`.
    pub action: &'static str,
    /// Template of the ARN that it is weighed against, where that is not the operation's own.
    pub resource: Option<&'static str>,
}

/// How a service words violations of its model.
#[derive(Clone, Copy, Debug)]
pub struct ErrorStyle {
    /// Code of a violated constraint, such as `ValidationException`.
    pub validation_code: &'static str,
    /// Code of an input that cannot be read, such as `SerializationException`.
    pub malformed_code: &'static str,
    /// Name of the message in errors that have no shape: `message` or `Message`.
    pub message_key: &'static str,
    /// How it tells of members that are missing, where that is not as of other violations.
    pub missing: Option<MissingStyle>,
    /// Name and query code of its error for what policies do not allow, where that is not
    /// `AccessDenied`.
    pub denied: Option<(&'static str, &'static str)>,
    /// Its words for violated constraints.
    pub wording: Wording,
    /// False for XML errors without an `ErrorResponse` around them.
    pub wrapped: bool,
}

/// The words for violated constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording {
    /// All of them: `2 validation errors detected: Value 'x' at 'name' failed to satisfy
    /// constraint: Member must …; …`.
    All,
    /// As [`Self::All`]; but a document that does not fit its schema is malformed, whatever it
    /// is that does not fit, and there must be one: S3's.
    Document,
    /// The first alone, without its value: `Invalid parameter at 'name' failed to satisfy
    /// constraint: 'must …'`.
    First,
}

/// How a service tells of members that are missing: `The parameter Namespace is required.`
#[derive(Clone, Copy, Debug)]
pub struct MissingStyle {
    /// The error's name, such as `MissingRequiredParameterException`.
    pub name: &'static str,
    /// Its code in the query protocol, such as `MissingParameter`.
    pub code: &'static str,
    /// What it says of one, with `{}` for its name.
    pub words: &'static str,
}

impl ServiceSchema {
    /// A listed operation by name.
    pub fn operation(&self, name: &str) -> Option<&'static OperationSchema> {
        self.operations.iter().find(|operation| operation.name == name).copied()
    }

    /// Whether the model has this operation though it is not listed.
    pub fn is_unlisted(&self, name: &str) -> bool {
        self.unlisted.iter().any(|operation| operation.name == name)
    }

    /// The second action that an input asks for, as it gives tags.
    pub fn tagging(&self, operation: &str, input: &dyn Shape) -> Option<&'static Tagging> {
        let mut named = self.taggings.iter().filter(|tagging| tagging.operation == operation);
        named.find(|tagging| {
            set_members(input).any(|(_, member, view)| {
                let empty = match view {
                    View::List(list) => list.is_empty(),
                    View::Map(map) => map.is_empty(),
                    _ => false,
                };
                member.name == tagging.member && !empty
            })
        })
    }

    /// Whether it speaks this protocol.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }
}

impl OperationSchema {
    /// Whether the input's body flows instead of being held in memory.
    pub fn takes_stream(&self) -> bool {
        self.input.members().iter().any(|member| matches!(member.schema.kind, Kind::Stream))
    }

    /// Name of the member that makes a retry safe.
    pub fn idempotency_token(&self) -> Option<&'static str> {
        let mut members = self.input.members().iter();
        members.find(|member| member.idempotency_token).map(|member| member.name)
    }
}

impl fmt::Debug for ServiceSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl fmt::Debug for OperationSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service.id, self.name)
    }
}

impl Lane {
    /// `query`, `command` or `flow`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Command => "command",
            Self::Flow => "flow",
        }
    }
}
