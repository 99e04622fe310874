//! A target that is a cluster: a task is run.

use haar_ecs_contract::model::{RunTask, RunTaskRequest, TaskOverride};
use haar_events_contract::model::EcsParameters;
use haar_kernel::Doors;
use haar_kernel::targets::{Sender, Undelivered};
use serde_json::{Map, Value, json};

use super::Delivery;
use super::attempt::text_for;
use super::failure::Failure;

/// Runs the task that a target's `EcsParameters` describe, on the cluster that it names. What the
/// target gets as input are the overrides. AWS docs: *Amazon ECS tasks as EventBridge targets*.
pub(super) async fn run(
    doors: &Doors,
    delivery: &Delivery,
    sender: &Sender,
) -> Result<(), Failure> {
    let target = &delivery.target;
    let Some(parameters) = &target.ecs_parameters else {
        let text = "EcsParameters must be specified for a cluster.";
        return Err(Failure::lasting("INVALID_PARAMETER", text));
    };
    let has_input =
        target.input.is_some() || target.input_path.is_some() || target.input_transformer.is_some();
    let overrides = has_input.then(|| text_for(delivery));
    let request = request(&target.arn, parameters, overrides.as_deref(), delivery)?;
    let region = target.arn.split(':').nth(3).and_then(|region| region.parse().ok());
    let region = region.unwrap_or_else(|| delivery.rule.bus.region.clone());
    let answer = doors.call::<RunTask>(sender.principal.clone(), &region, request).await;
    let answer = answer.map_err(|error| Failure::from(Undelivered::from(error)))?;
    match answer.failures.unwrap_or_default().into_iter().next() {
        None => Ok(()),
        Some(failure) => {
            let reason = failure.reason.or(failure.detail).unwrap_or_default();
            Err(Failure::passing("ERROR_FROM_TARGET", reason))
        }
    }
}

/// Members of both APIs are alike but for the case of their first letters.
fn request(
    cluster: &str,
    parameters: &EcsParameters,
    overrides: Option<&str>,
    delivery: &Delivery,
) -> Result<RunTaskRequest, Failure> {
    let mut given = haar_wire::to_json(parameters);
    let mut take = |name: &str| given.as_object_mut().and_then(|given| given.shift_remove(name));
    let definition = take("TaskDefinitionArn").unwrap_or_default();
    let count = take("TaskCount").unwrap_or(json!(1));
    let enable_tags = take("EnableECSManagedTags");
    let mut input = match lowered(given) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    input.insert("taskDefinition".to_owned(), definition);
    input.insert("count".to_owned(), count);
    input.insert("cluster".to_owned(), json!(cluster));
    let started_by = format!("events-rule/{}", delivery.rule.name);
    input.insert("startedBy".to_owned(), json!(started_by.chars().take(36).collect::<String>()));
    if let Some(enable_tags) = enable_tags {
        input.insert("enableECSManagedTags".to_owned(), enable_tags);
    }
    let invalid = |error: &dyn std::fmt::Display| {
        Failure::lasting("INVALID_PARAMETER", format!("EcsParameters cannot be used: {error}"))
    };
    let mut request: RunTaskRequest =
        haar_wire::from_json(Value::Object(input)).map_err(|error| invalid(&error))?;
    if let Some(overrides) = overrides {
        let json: Value = serde_json::from_str(overrides)
            .map_err(|error| Failure::lasting("INVALID_JSON", error.to_string()))?;
        let overrides: TaskOverride =
            haar_wire::from_json(json).map_err(|error| invalid(&error))?;
        request.overrides = Some(overrides);
    }
    Ok(request)
}

/// The same with members that begin in lower case, at every level.
fn lowered(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let lower = |(name, value): (String, Value)| {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                let name: String = first.into_iter().chain(letters).collect();
                (name, lowered(value))
            };
            Value::Object(members.into_iter().map(lower).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lowered).collect()),
        other => other,
    }
}
