//! One attempt to invoke a target.

use bytes::Bytes;
use haar_iam_contract::peek::AssumeError;
use haar_iam_contract::sender::role_sender;
use haar_kernel::targets::{Consignment, Sender, Undelivered};
use haar_wire::Json;

use super::Execution;
use crate::Scheduler;
use crate::rules::input::Invocation;
use crate::rules::target::{Universal, universal};

/// The service as policies know it.
pub(crate) const SERVICE_PRINCIPAL: &str = "scheduler.amazonaws.com";

impl Scheduler {
    /// Makes one attempt; `number` counts from 1.
    pub(super) async fn attempt(
        &self,
        execution: &Execution,
        number: u32,
    ) -> Result<(), Undelivered> {
        let sender = self.sender(execution)?;
        let invocation = Invocation {
            schedule: &execution.schedule,
            scheduled_at: execution.scheduled_at,
            execution_id: &execution.id,
            attempt: number,
        };
        match universal(&execution.target.arn) {
            Some(operation) => self.call(operation, execution, sender, &invocation).await,
            None => {
                let consignment = consignment(execution, sender, &invocation);
                self.doors.targets.deliver(&consignment).await
            }
        }
    }

    /// A session of the schedule's role, whose trust policy may name the schedule's group. AWS docs:
    /// *Confused deputy prevention in EventBridge Scheduler*.
    fn sender(&self, execution: &Execution) -> Result<Sender, Undelivered> {
        let (role_arn, source) = (&execution.target.role_arn, execution.schedule.group.arn());
        role_sender(&self.doors, role_arn, SERVICE_PRINCIPAL, &source).map_err(|error| {
            let message = match error {
                AssumeError::NoSuchRole => format!("there is no role {role_arn}"),
                AssumeError::NotTrusted => {
                    format!("{SERVICE_PRINCIPAL} may not assume {role_arn}")
                }
            };
            refused("AccessDeniedException", message)
        })
    }

    /// Calls the operation that a universal target names.
    async fn call(
        &self,
        Universal { service, operation }: Universal<'_>,
        execution: &Execution,
        sender: Sender,
        invocation: &Invocation<'_>,
    ) -> Result<(), Undelivered> {
        let Some(schema) = self.doors.operation(service, operation) else {
            let text = format!("haar has no operation {operation} of {service} yet");
            return Err(refused("NotImplemented", text));
        };
        let input = execution.target.input.as_deref().unwrap_or("{}");
        let input: Json = serde_json::from_str(&invocation.fill(input))
            .map_err(|error| refused("ValidationException", error.to_string()))?;
        let region = &execution.schedule.group.region;
        self.doors.call_named(sender.principal, region, schema, input).await?;
        Ok(())
    }
}

pub(super) fn refused(code: &str, message: impl Into<String>) -> Undelivered {
    Undelivered { code: code.to_owned(), message: message.into(), is_transient: false }
}

/// What a templated target gets.
fn consignment(execution: &Execution, sender: Sender, invocation: &Invocation<'_>) -> Consignment {
    let target = &execution.target;
    let service = target.arn.split(':').nth(2).unwrap_or_default();
    let body = match (service, target.input.as_deref()) {
        // A task without an input of its own has no overrides.
        ("ecs", None) => Bytes::new(),
        (_, input) => Bytes::from(invocation.text(input)),
    };
    let region = execution.schedule.group.region.clone();
    let mut consignment = Consignment::new(target.arn.clone(), sender, region, body);
    consignment.group = target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.clone());
    consignment.partition_key =
        target.kinesis_parameters.as_ref().map(|kinesis| kinesis.partition_key.clone());
    consignment.parameters = match service {
        "ecs" => target.ecs_parameters.as_ref().map(|ecs| {
            let mut parameters = haar_wire::to_json(ecs);
            let started_by = format!("chronos-schedule/{}", execution.schedule.name);
            let started_by = started_by.chars().take(36).collect::<String>();
            parameters["StartedBy"] = Json::from(started_by);
            parameters
        }),
        "events" => target.event_bridge_parameters.as_ref().map(|event| haar_wire::to_json(event)),
        _ => None,
    };
    consignment
}
