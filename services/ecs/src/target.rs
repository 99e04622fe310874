//! Clusters as other rooms' targets: what is sent there runs a task.

use futures_util::future::BoxFuture;
use haar_ecs_contract::model::{RunTask, RunTaskRequest, TaskOverride};
use haar_kernel::Doors;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use serde_json::{Map, Value, json};

/// Runs the tasks that `EcsParameters` describe, on the clusters that they are sent to.
///
/// The parameters are those of EventBridge, Scheduler and Pipes, which are alike; `StartedBy` may be
/// among them. A body holds the overrides; an empty one has none.
pub(crate) struct Clusters(pub(crate) Doors);

impl Target for Clusters {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let request = request(consignment)?;
            let region = consignment.arn.split(':').nth(3).and_then(|region| region.parse().ok());
            let region = region.unwrap_or_else(|| consignment.region.clone());
            let principal = consignment.sender.principal.clone();
            let answer = self.0.call::<RunTask>(principal, &region, request).await?;
            match answer.failures.unwrap_or_default().into_iter().next() {
                None => Ok(()),
                Some(failure) => Err(Undelivered {
                    code: "RunTaskFailure".to_owned(),
                    message: failure.reason.or(failure.detail).unwrap_or_default(),
                    is_transient: true,
                }),
            }
        })
    }
}

fn invalid(message: impl Into<String>) -> Undelivered {
    let code = "InvalidParameterException".to_owned();
    Undelivered { code, message: message.into(), is_transient: false }
}

/// Members of the APIs are alike but for the case of their first letters.
fn request(consignment: &Consignment) -> Result<RunTaskRequest, Undelivered> {
    let given = consignment.parameters.clone();
    let given = given.ok_or_else(|| invalid("EcsParameters must be specified for a cluster."))?;
    let mut input = match lowered(given) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (theirs, ours) in [("taskDefinitionArn", "taskDefinition"), ("taskCount", "count")] {
        if let Some(value) = input.shift_remove(theirs) {
            input.insert(ours.to_owned(), value);
        }
    }
    input.insert("cluster".to_owned(), json!(consignment.arn));
    let mut request: RunTaskRequest = haar_wire::from_json(Value::Object(input))
        .map_err(|error| invalid(format!("EcsParameters cannot be used: {error}")))?;
    if !consignment.body.is_empty() {
        let overrides = serde_json::from_slice::<Value>(&consignment.body)
            .map_err(|error| invalid(format!("the overrides are no JSON: {error}")))?;
        let overrides: TaskOverride = haar_wire::from_json(overrides)
            .map_err(|error| invalid(format!("the overrides cannot be used: {error}")))?;
        request.overrides = Some(overrides);
    }
    Ok(request)
}

/// The same with members that begin in lower case, at every level.
fn lowered(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let lower = |(name, value): (String, Value)| {
                let name = match name.strip_prefix("EnableECS") {
                    Some(rest) => format!("enableECS{rest}"),
                    None => first_lower(&name),
                };
                (name, lowered(value))
            };
            Value::Object(members.into_iter().map(lower).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lowered).collect()),
        other => other,
    }
}

fn first_lower(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use haar_kernel::Principal;
    use haar_kernel::targets::Sender;
    use haar_types::{AccountId, Region};

    use super::*;

    #[test]
    fn the_parameters_of_a_pipe_become_a_request() {
        let principal = Arc::new(Principal::root(AccountId::default()));
        let sender = Sender { principal, source_arn: String::new() };
        let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/c";
        let mut consignment = Consignment::new(arn, sender, Region::default(), Bytes::new());
        consignment.parameters = Some(json!({
            "TaskDefinitionArn": "t:1",
            "TaskCount": 2,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {
                "Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "ENABLED",
            }},
            "PlatformVersion": "LATEST",
            "Group": "g",
            "CapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
            "EnableECSManagedTags": true,
            "EnableExecuteCommand": true,
            "PropagateTags": "TASK_DEFINITION",
            "ReferenceId": "r",
            "Overrides": {
                "ContainerOverrides": [{
                    "Name": "c",
                    "Command": ["x"],
                    "Cpu": 5,
                    "Environment": [{"name": "K", "value": "v"}],
                    "EnvironmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/k"}],
                    "ResourceRequirements": [{"type": "GPU", "value": "1"}],
                }],
                "Cpu": "256",
                "EphemeralStorage": {"sizeInGiB": 30},
                "TaskRoleArn": "arn:aws:iam::000000000000:role/r",
            },
            "Tags": [{"Key": "k", "Value": "v"}],
            "StartedBy": "pipes/p",
        }));
        let request = request(&consignment).unwrap();
        let expected = json!({
            "cluster": arn,
            "taskDefinition": "t:1",
            "count": 2,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED",
            }},
            "platformVersion": "LATEST",
            "group": "g",
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
            "enableECSManagedTags": true,
            "enableExecuteCommand": true,
            "propagateTags": "TASK_DEFINITION",
            "referenceId": "r",
            "overrides": {
                "containerOverrides": [{
                    "name": "c",
                    "command": ["x"],
                    "cpu": 5,
                    "environment": [{"name": "K", "value": "v"}],
                    "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/k"}],
                    "resourceRequirements": [{"type": "GPU", "value": "1"}],
                }],
                "cpu": "256",
                "ephemeralStorage": {"sizeInGiB": 30},
                "taskRoleArn": "arn:aws:iam::000000000000:role/r",
            },
            "tags": [{"key": "k", "value": "v"}],
            "startedBy": "pipes/p",
        });
        assert_eq!(haar_wire::to_json(&request), expected);
    }
}
