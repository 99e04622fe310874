//! From a request's head to its operation.

use std::borrow::Cow;

use bytes::Bytes;
use haar_types::RequestId;
use http::Method;
use http::request::Parts;

use crate::headers::text_of;
use crate::host;
use crate::operation::{OperationSchema, Protocol, ServiceSchema};
use crate::params::{self, Params};
use crate::paths::{Beside, Labels, Paths, Target};
use crate::{AwsError, encode, sigv2, strangers};

/// All services that this process answers for.
pub struct Catalogue {
    entries: Vec<Entry>,
}

struct Entry {
    service: &'static ServiceSchema,
    paths: Option<Paths>,
}

/// Where a request goes: operation, protocol, and what its path held.
#[derive(Clone, Debug)]
pub struct Route {
    /// Whose operation it is.
    pub service: &'static ServiceSchema,
    /// The operation.
    pub operation: &'static OperationSchema,
    /// The protocol that the caller speaks and wants to hear.
    pub protocol: Protocol,
    pub(crate) labels: Labels,
    pub(crate) params: Params,
}

/// A request that goes nowhere, and how to say so.
#[derive(Debug)]
pub struct Refusal {
    /// The service, where that much is known.
    pub service: Option<&'static ServiceSchema>,
    /// The caller's protocol, as far as it shows.
    pub protocol: Protocol,
    /// Why.
    pub error: AwsError,
}

impl Route {
    /// What a label of the path held, by the member's name.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }
}

impl Refusal {
    /// Whether the service is known, and has no such operation.
    pub fn is_misdirected(&self) -> bool {
        self.service.is_some() && self.error.name() == "UnknownOperationException"
    }

    /// The answer in the caller's protocol.
    pub fn response(&self, request_id: &RequestId) -> http::Response<crate::Body> {
        encode::encode_error_as(self.protocol, self.service, &self.error, request_id)
    }
}

impl Catalogue {
    /// A catalogue of these services.
    pub fn new(services: impl IntoIterator<Item = &'static ServiceSchema>) -> Self {
        let entries = services.into_iter().map(|service| {
            let rest = service.speaks(Protocol::RestJson) || service.speaks(Protocol::RestXml);
            Entry { service, paths: rest.then(|| Paths::of(service)) }
        });
        Self { entries: entries.collect() }
    }

    /// The services.
    pub fn services(&self) -> impl Iterator<Item = &'static ServiceSchema> {
        self.entries.iter().map(|entry| entry.service)
    }

    /// A listed operation by the names of service (botocore's folder) and operation.
    pub fn operation(&self, service: &str, name: &str) -> Option<&'static OperationSchema> {
        self.services().filter(|known| known.id == service).find_map(|known| known.operation(name))
    }
}

/// Whether the body is a form, which may name an operation by itself.
pub fn is_form(parts: &Parts) -> bool {
    header(parts, "content-type").starts_with("application/x-www-form-urlencoded")
}

/// Finds the operation of a request. `body` is looked at only if it is a form, where the query
/// protocols name the operation; otherwise it may be empty.
pub fn detect(catalogue: &Catalogue, parts: &Parts, body: &Bytes) -> Result<Route, Refusal> {
    find(catalogue, parts, params_of(parts, body)).map_err(|refusal| match refusal.service {
        Some(_) => refusal,
        // parsed once more, so that requests which are answered copy nothing for it
        None => {
            let params = params_of(parts, body);
            strangers::refusal(catalogue, parts, &params, refusal.protocol).unwrap_or(refusal)
        }
    })
}

fn params_of(parts: &Parts, body: &Bytes) -> Params {
    let mut params = params::parse(parts.uri.query().unwrap_or_default());
    if is_form(parts) {
        params.extend(params::parse(&String::from_utf8_lossy(body)));
    }
    params
}

fn find(catalogue: &Catalogue, parts: &Parts, params: Params) -> Result<Route, Refusal> {
    let signed = signing_name(parts, &params);
    if let Some(found) = detect_cbor(catalogue, parts, signed.as_deref()) {
        return found;
    }
    if let Some(found) = detect_target(catalogue, parts) {
        return found;
    }
    if let Some(found) = detect_action(catalogue, parts, signed.as_deref(), &params) {
        return found;
    }
    detect_path(catalogue, parts, signed.as_deref(), params)
}

/// Smithy RPC v2: `/service/GraniteServiceVersion20100801/operation/PutMetricData`. Who signs for
/// another service and does not name the protocol means a path of that service's, as keys may be.
fn detect_cbor(
    catalogue: &Catalogue,
    parts: &Parts,
    signed: Option<&str>,
) -> Option<Result<Route, Refusal>> {
    if parts.method != Method::POST {
        return None;
    }
    let path = parts.uri.path();
    let names = path.split_once("/service/").and_then(|(_, rest)| rest.split_once("/operation/"));
    let wanted = header(parts, "smithy-protocol") == "rpc-v2-cbor";
    let protocol = Protocol::RpcV2Cbor;
    let Some((prefix, name)) = names else {
        return wanted.then(|| Err(unknown(None, protocol, path)));
    };
    let by_prefix = |service: &&ServiceSchema| {
        service.speaks(protocol) && service.target_prefix == Some(prefix)
    };
    let service = catalogue.services().find(by_prefix);
    let is_meant = |service: &ServiceSchema| signed.is_none_or(|name| service.signing_name == name);
    if !wanted && !service.is_some_and(is_meant) {
        return None;
    }
    Some(by_name(service, protocol, name, Params::new()))
}

/// The JSON protocols: `X-Amz-Target: Logs_20140328.PutLogEvents`.
fn detect_target(catalogue: &Catalogue, parts: &Parts) -> Option<Result<Route, Refusal>> {
    let target = header(parts, "x-amz-target");
    if target.is_empty() {
        return None;
    }
    let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
    let kind = header(parts, "content-type");
    let service = catalogue.services().find(|service| {
        let json = service.speaks(Protocol::Json10) || service.speaks(Protocol::Json11);
        json && service.target_prefix == Some(prefix)
    });
    let protocol = match kind.split(';').next().unwrap_or_default().trim() {
        "application/x-amz-json-1.0" => Protocol::Json10,
        "application/x-amz-json-1.1" => Protocol::Json11,
        "application/x-amz-cbor-1.1" => Protocol::Cbor11,
        // who does not say it is answered in the service's own version
        _ if service.is_some_and(|service| service.speaks(Protocol::Json10)) => Protocol::Json10,
        _ => Protocol::Json11,
    };
    Some(by_name(service, protocol, name, Params::new()))
}

/// The query protocols: `Action=GetRole` in a form or a query string.
fn detect_action(
    catalogue: &Catalogue,
    parts: &Parts,
    signed: Option<&str>,
    params: &Params,
) -> Option<Result<Route, Refusal>> {
    let action = params::first(params, "Action")?;
    let version = params::first(params, "Version");
    let speaks = |service: &&'static ServiceSchema| {
        service.speaks(Protocol::Query) || service.speaks(Protocol::Ec2)
    };
    let host = host_label(parts);
    let named = |service: &&'static ServiceSchema| match signed {
        Some(name) => service.signing_name == name,
        None => service.endpoint_prefix == host,
    };
    let has = |service: &&'static ServiceSchema| {
        service.operation(action).is_some() || service.is_unlisted(action)
    };
    let services = || catalogue.services().filter(speaks);
    // A signature decides; a host's name only where it names a service that has the action.
    // Of several lists of one name, the one that has the action.
    let listed = |service: &&'static ServiceSchema| service.operation(action).is_some();
    let by_name_only = services().filter(named).find(listed).or_else(|| services().find(named));
    let service = by_name_only.filter(|service| signed.is_some() || has(service));
    let service = service.or_else(|| {
        let mut versioned = services().filter(|s| version.is_none_or(|v| s.api_version == v));
        versioned.find(has).filter(|_| signed.is_none())
    });
    let service = service.or(by_name_only)?;
    let protocol = if service.speaks(Protocol::Ec2) { Protocol::Ec2 } else { Protocol::Query };
    let mut taken = params.clone();
    if let Some(member) = service.path_member.filter(|_| parts.uri.path() != "/")
        && params::first(params, member).is_none()
        && let Some(path) = params::decode_segment(parts.uri.path())
    {
        taken.push((member.to_owned(), path));
    }
    Some(by_name(Some(service), protocol, action, taken))
}

/// The REST protocols, by method and path.
fn detect_path(
    catalogue: &Catalogue,
    parts: &Parts,
    signed: Option<&str>,
    params: Params,
) -> Result<Route, Refusal> {
    let (method, host) = (parts.method.as_str(), host_label(parts));
    let beside = Beside { method, query: &params, headers: &parts.headers };
    let is_named = |entry: &Entry| match signed {
        Some(name) => entry.service.signing_name == name,
        None => entry.service.endpoint_prefix == host || has_host_label(entry.service, parts),
    };
    // Where labels may stand in the host's name, almost any path fits: such services come last.
    let comes_first = |entry: &&Entry| !entry.service.host_label || is_named(entry);
    let entries = || catalogue.entries.iter();
    let all = entries().filter(comes_first).chain(entries().filter(|entry| !comes_first(entry)));
    for entry in all.filter(|entry| signed.is_none() || is_named(entry)) {
        let Some(paths) = &entry.paths else { continue };
        let (service, protocol) = (entry.service, rest_protocol(entry.service));
        let path = host::path(service, parts, signed);
        let path = if service.host_label { params::spaced(path) } else { path };
        match paths.find(&path, &beside) {
            Some((Target::Listed(operation), labels)) => {
                return Ok(Route { service, operation, protocol, labels, params });
            }
            Some((Target::Unlisted(name), _)) => {
                return by_name(Some(service), protocol, name, params);
            }
            None => {}
        }
    }
    let named = catalogue.entries.iter().find(|entry| is_named(entry)).map(|entry| entry.service);
    let protocol = named.map_or(Protocol::RestJson, unmarked_protocol);
    let path = parts.uri.path();
    Err(unknown(named, protocol, params::first(&params, "Action").unwrap_or(path)))
}

/// Whether the host's name begins with a label of this service's paths.
fn has_host_label(service: &ServiceSchema, parts: &Parts) -> bool {
    service.host_label && matches!(host::path(service, parts, None), Cow::Owned(_))
}

fn rest_protocol(service: &ServiceSchema) -> Protocol {
    if service.speaks(Protocol::RestXml) { Protocol::RestXml } else { Protocol::RestJson }
}

/// What a caller speaks who names no operation by a header or by a path of its own: where a service
/// has several protocols, those that do so are none of them.
fn unmarked_protocol(service: &ServiceSchema) -> Protocol {
    let marked = |kind: &Protocol| {
        matches!(kind, Protocol::RpcV2Cbor | Protocol::Cbor11 | Protocol::Json10 | Protocol::Json11)
    };
    let known = service.protocols;
    let found = known.iter().find(|kind| !marked(kind)).or(known.first());
    found.copied().unwrap_or(Protocol::RestJson)
}

fn by_name(
    service: Option<&'static ServiceSchema>,
    protocol: Protocol,
    name: &str,
    params: Params,
) -> Result<Route, Refusal> {
    let Some(service) = service else { return Err(unknown(None, protocol, name)) };
    if let Some(operation) = service.operation(name) {
        return Ok(Route { service, operation, protocol, labels: Labels::new(), params });
    }
    if service.is_unlisted(name) {
        let error = AwsError::not_implemented(service, name);
        return Err(Refusal { service: Some(service), protocol, error });
    }
    Err(unknown(Some(service), protocol, name))
}

fn unknown(service: Option<&'static ServiceSchema>, protocol: Protocol, name: &str) -> Refusal {
    let error = match service {
        Some(service) => AwsError::unknown_operation(service, name),
        None => AwsError::unknown_service(),
    };
    Refusal { service, protocol, error }
}

/// The service's name in the credential scope, of a header or of a presigned query; S3's where the
/// signature is of a version without one.
pub(crate) fn signing_name<'a>(parts: &'a Parts, params: &Params) -> Option<Cow<'a, str>> {
    match header(parts, "authorization").split_once("Credential=") {
        Some((_, rest)) => of_scope(rest.split([',', ' ']).next()?).map(Cow::Borrowed),
        None => match params::first(params, "X-Amz-Credential") {
            Some(scope) => of_scope(scope).map(|name| Cow::Owned(name.to_owned())),
            None => sigv2::is_for_s3(parts, params).then_some(Cow::Borrowed("s3")),
        },
    }
}

/// The service of `KEY/DATE/REGION/SERVICE/aws4_request`; what is written otherwise names none.
fn of_scope(scope: &str) -> Option<&str> {
    let mut parts = scope.rsplit('/');
    let (_terminator, service) = (parts.next()?, parts.next()?);
    parts.nth(2).map(|_| service)
}

/// The first label of the host's name: `lambda` of `lambda.us-east-1.localhost`.
fn host_label(parts: &Parts) -> &str {
    host::name(parts).split('.').next().unwrap_or_default()
}

pub(crate) fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    text_of(&parts.headers, name).unwrap_or_default()
}
