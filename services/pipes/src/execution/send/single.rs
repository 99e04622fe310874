//! Targets that take a batch whole, or one event at a time.

use bytes::Bytes;
use haar_kernel::targets::Consignment;
use haar_lambda_contract::model::{InvocationRequest, InvocationType, Invoke};
use haar_pipes_contract::model::PipeTargetInvocationType;
use serde_json::{Value, json};

use super::super::event::Shipped;
use super::super::failure::Failure;
use super::super::journal::Data;
use super::super::run::{Passed, Run, Stage};
use crate::rules::{report, template};

impl Run<'_> {
    /// All events in one list. A function that is waited for may name those that failed.
    pub(super) async fn to_function(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let given = self.row.target_parameters.as_ref();
        let given = given.and_then(|given| given.lambda_function_parameters.as_ref());
        let kind = given.and_then(|given| given.invocation_type);
        let payload = shipped.iter().map(|one| template::json(&one.text)).collect::<Value>();
        let arn = self.row.target.as_str();
        if kind == Some(PipeTargetInvocationType::FireAndForget) {
            let input = InvocationRequest {
                function_name: arn.to_owned(),
                invocation_type: Some(InvocationType::Event),
                payload: Some(Bytes::from(payload.to_string())),
                ..InvocationRequest::default()
            };
            self.call::<Invoke>(Stage::Target, arn, input).await?;
            return Ok(Passed::All);
        }
        let answer = self.invoke(Stage::Target, arn, payload).await?;
        Ok(self.reported(&answer))
    }

    pub(super) async fn to_destination(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let arn = self.row.target.as_str();
        for one in shipped {
            let (given, body) = (&one.parameters, one.text.clone());
            let answer = self.call_destination(Stage::Target, arn, given, body).await?;
            if let passed @ Passed::Partly(_) = self.reported(&answer) {
                return Ok(passed);
            }
        }
        Ok(Passed::All)
    }

    /// What a target's own answer says of the events.
    fn reported(&self, answer: &[u8]) -> Passed {
        let report = report::of_answer(answer, &self.known);
        match report["batchItemFailures"].as_array().is_some_and(|failures| !failures.is_empty()) {
            true => Passed::Partly(report),
            false => Passed::All,
        }
    }

    /// One `RunTask` for each event, described by the parameters alone.
    pub(super) async fn to_cluster(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let arn = self.row.target.as_str();
        for one in shipped {
            let mut parameters = one.parameters.clone();
            let started_by = format!("pipes/{}", self.row.key.name);
            parameters["StartedBy"] = json!(started_by.chars().take(36).collect::<String>());
            let region = self.row.key.region.clone();
            let mut consignment = Consignment::new(arn, self.sender()?, region, Bytes::new());
            self.step(Stage::Target, "INVOCATION_STARTED", &[Data::Request(&parameters)]);
            consignment.parameters = Some(parameters);
            let delivered = self.room.doors.targets.deliver(&consignment).await;
            if let Err(error) = delivered {
                let failure = Failure::of_delivery("ecs", error);
                self.failed(Stage::Target, "INVOCATION_FAILED", &failure);
                return Err(failure);
            }
            self.step(Stage::Target, "INVOCATION_SUCCEEDED", &[]);
        }
        Ok(Passed::All)
    }
}
