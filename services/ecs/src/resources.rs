//! What a call is about, as policies name it: however a request writes a resource, it is weighed
//! as the one that its handler finds. *Service Authorization Reference > Amazon Elastic Container
//! Service*.

use haar_kernel::{Call, resource_of};
use haar_ledger::Snapshot;
use haar_wire::{AwsError, OperationSchema, Shape, text_member, text_members};

use crate::lookup::{find_definition, place};
use crate::ops::Tagged;
use crate::rules::names::{self, DefinitionName};
use crate::state::ClusterKey;

/// The ARNs that a call is about, by the operation's template.
pub(crate) fn of(
    call: &Call,
    snapshot: &Snapshot,
    operation: &'static OperationSchema,
    input: &dyn Shape,
) -> Vec<String> {
    let Some((kind, member)) = named(operation.resource) else {
        return vec![resource_of(operation, call, input)];
    };
    let cluster = names::cluster_key(place(call), text_member(input, "cluster").as_deref());
    let mut texts = text_members(input, member);
    if texts.is_empty() {
        let unnamed = if member == "cluster" { names::DEFAULT_CLUSTER } else { "*" };
        texts.push(unnamed.to_owned());
    }
    let whole = |text: String| {
        let arn = arn(call, snapshot, cluster.as_ref(), (kind, &text));
        // what names nothing here is refused by the handler
        arn.unwrap_or_else(|_| if text.starts_with("arn:") { text } else { "*".to_owned() })
    };
    texts.into_iter().map(whole).collect()
}

/// The ARN of a resource of a kind that a request names.
fn arn(
    call: &Call,
    snapshot: &Snapshot,
    cluster: Result<&ClusterKey, &AwsError>,
    (kind, text): (&str, &str),
) -> Result<String, AwsError> {
    let cluster = || cluster.map_err(Clone::clone);
    match kind {
        "cluster" => Ok(names::cluster_key(place(call), Some(text))?.arn()),
        "service" => Ok(names::service_key(cluster()?, text)?.arn()),
        "task" => Ok(names::task_key(cluster()?, text)?.arn()),
        "task-definition" => match DefinitionName::parse(place(call), text)?.key() {
            Some(key) => Ok(key.arn()),
            None => Ok(find_definition(snapshot, call, text)?.key.arn()),
        },
        "service-deployment" | "service-revision" => Ok(text.to_owned()), // ARNs, always whole
        _ => Ok(Tagged::find(call, snapshot, text)?.0.arn()),
    }
}

/// Kind and naming member of a template; no kind where the member holds an ARN of any.
fn named(template: &str) -> Option<(&str, &str)> {
    if template == "{resourceArn}" {
        return Some(("", "resourceArn"));
    }
    let resource = template.strip_prefix("arn:aws:ecs:{region}:{account}:")?;
    let (kind, rest) = resource.split_once('/')?;
    let member = rest.rsplit('/').next()?.strip_prefix('{')?.strip_suffix('}')?;
    Some((kind, member))
}
