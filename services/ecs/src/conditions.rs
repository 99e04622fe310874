//! What policies may ask of a request. *Service Authorization Reference > Amazon Elastic Container
//! Service*.

use haar_kernel::{Call, request_tags};
use haar_ledger::Snapshot;
use haar_wire::{Shape, json_member, text_member};
use serde_json::Value;

use crate::lookup::{find_definition, place};
use crate::rules::{fargate, names};
use crate::state::ClusterKey;

/// Names and values.
type Keys = Vec<(String, Vec<String>)>;

/// The condition keys of a request.
pub(crate) fn of(call: &Call, snapshot: &Snapshot, input: &dyn Shape) -> Keys {
    let named = text_member(input, "cluster");
    let cluster = names::cluster_key(place(call), named.as_deref());
    let arn = cluster.as_ref().ok().map(ClusterKey::arn).or(named);
    let mut keys = Vec::from_iter(arn.map(|arn| ("ecs:cluster".to_owned(), vec![arn])));
    let mut one = |name: &str, value: Option<String>| {
        keys.extend(value.map(|value| (format!("ecs:{name}"), vec![value])));
    };
    one("container-name", text_member(input, "container"));
    let service = text_member(input, "service").or_else(|| text_member(input, "serviceName"));
    one("service", service.map(|named| service_arn(cluster.as_ref().ok(), named)));
    one("enable-execute-command", text_member(input, "enableExecuteCommand"));
    one("enable-ecs-managed-tags", text_member(input, "enableECSManagedTags"));
    one("propagate-tags", text_member(input, "propagateTags"));
    keys.extend(of_definition(call, snapshot, input));
    keys.extend(of_network(&json_member(input, "networkConfiguration")));
    keys.extend(of_containers(&json_member(input, "containerDefinitions")));
    let strategy = json_member(input, "capacityProviderStrategy");
    let strategy = strategy.as_array().into_iter().flatten();
    let providers = strategy.filter_map(|item| item["capacityProvider"].as_str());
    keys.extend(many("capacity-provider", providers.map(|name| provider_arn(call, name))));
    let kinds = json_member(input, "requiresCompatibilities");
    keys.extend(many("compute-compatibility", texts(&kinds)));
    keys.extend(request_tags(&json_member(input, "tags"), &json_member(input, "tagKeys")));
    keys
}

/// What names nothing in the cluster stays as it is: the handler refuses it.
fn service_arn(cluster: Option<&ClusterKey>, named: String) -> String {
    let key = cluster.and_then(|cluster| names::service_key(cluster, &named).ok());
    key.map_or(named, |key| key.arn())
}

fn many(name: &str, values: impl Iterator<Item = String>) -> Option<(String, Vec<String>)> {
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| (format!("ecs:{name}"), values))
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned)
}

fn provider_arn(call: &Call, name: &str) -> String {
    match name.starts_with("arn:") {
        true => name.to_owned(),
        false => {
            format!("arn:aws:ecs:{}:{}:capacity-provider/{name}", call.region, call.account)
        }
    }
}

/// The definition that is meant, and the size of what will run: as the request says, else as the
/// definition does.
fn of_definition(call: &Call, snapshot: &Snapshot, input: &dyn Shape) -> Keys {
    let named = text_member(input, "taskDefinition");
    let found = named.as_deref().and_then(|named| find_definition(snapshot, call, named).ok());
    let arn = found.as_ref().map(|row| row.key.arn()).or(named);
    let overrides = json_member(input, "overrides");
    let size = |member: &str| {
        let own = text_member(input, member);
        own.or_else(|| overrides[member].as_str().map(str::to_owned))
    };
    let known = found.as_ref().map(|row| &row.definition);
    let cpu = size("cpu").or_else(|| known.and_then(|one| one.cpu.clone()));
    let memory = size("memory").or_else(|| known.and_then(|one| one.memory.clone()));
    let cpu = cpu.and_then(|text| fargate::cpu_units(&text));
    let memory = memory.and_then(|text| fargate::memory_mib(&text));
    let all = [
        ("task-definition", arn),
        ("task-cpu", cpu.map(|units| units.to_string())),
        ("task-memory", memory.map(|mib| mib.to_string())),
    ];
    let all =
        all.into_iter().filter_map(|(name, value)| Some((format!("ecs:{name}"), vec![value?])));
    all.collect()
}

fn of_network(network: &Value) -> Keys {
    let network = &network["awsvpcConfiguration"];
    let assigns = network.is_object().then(|| {
        let is_asked = network["assignPublicIp"].as_str() == Some("ENABLED");
        ("ecs:auto-assign-public-ip".to_owned(), vec![is_asked.to_string()])
    });
    many("subnet", texts(&network["subnets"])).into_iter().chain(assigns).collect()
}

fn of_containers(containers: &Value) -> Option<(String, Vec<String>)> {
    let all = containers.as_array()?;
    let is_privileged = all.iter().any(|one| one["privileged"].as_bool() == Some(true));
    Some(("ecs:privileged".to_owned(), vec![is_privileged.to_string()]))
}
