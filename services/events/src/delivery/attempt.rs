//! One attempt to deliver.

use std::sync::Arc;

use bytes::Bytes;
use haar_kernel::Question;
use haar_kernel::targets::{Consignment, Sender};
use haar_pattern::Path;
use haar_wire::Json;

use super::call::Called;
use super::failure::Failure;
use super::{Delivery, sender};
use crate::Events;
use crate::publish::Publication;
use crate::rules::event::seconds;
use crate::rules::transform::{self, Surroundings};
use crate::state::BusKey;

impl Events {
    /// Makes one attempt.
    pub(super) async fn attempt(
        &self,
        delivery: &Delivery,
        called: Option<Called>,
    ) -> Result<(), Failure> {
        if let Some(called) = called {
            self.may_call_out(delivery)?;
            return self.call_out(delivery, &called?).await;
        }
        match BusKey::of_arn(&delivery.target.arn) {
            Some(bus) => self.to_bus(delivery, bus).await,
            None => self.hand_over(delivery).await,
        }
    }

    /// Makes one attempt at a target that another room has.
    pub(super) async fn hand_over(&self, delivery: &Delivery) -> Result<(), Failure> {
        let consignment = self.consignment(delivery)?;
        self.doors.targets.deliver(&consignment).await.map_err(Failure::from)
    }

    /// A session of the role where one is given, else the service itself.
    fn sender_of(&self, delivery: &Delivery) -> Result<Sender, Failure> {
        let source = delivery.rule.arn();
        match &delivery.role_arn {
            Some(role_arn) => sender::role(&self.doors, role_arn, &source),
            None => Ok(sender::service(&delivery.rule.bus.account, &source)),
        }
    }

    /// The role must let its sessions call the destination.
    fn may_call_out(&self, delivery: &Delivery) -> Result<(), Failure> {
        let sender = self.sender_of(delivery)?;
        let call = self.doors.call_as(sender.principal, delivery.rule.bus.region.clone());
        let (action, resource) = ("events:InvokeApiDestination", delivery.target.arn.as_str());
        let question = Question { action, resource, policy: None, keys: &[] };
        let weighed = self.doors.authorise(&call, &question);
        weighed.map_err(|denial| Failure::lasting("NO_PERMISSIONS", denial.message()))
    }

    fn consignment(&self, delivery: &Delivery) -> Result<Consignment, Failure> {
        let target = &delivery.target;
        // These are asked for their own policies, whatever role the target has.
        let kind = target.arn.split(':').nth(2).unwrap_or_default();
        let by_policy = ["lambda", "sns", "sqs"].contains(&kind);
        let sender = match (&target.role_arn, by_policy) {
            (None, true) => sender::service(&delivery.rule.bus.account, &delivery.rule.arn()),
            _ => self.sender_of(delivery)?,
        };
        let region = delivery.rule.bus.region.clone();
        // A task without an input of its own has no overrides.
        let body = match kind == "ecs" && !has_input(delivery) {
            true => Bytes::new(),
            false => Bytes::from(text_for(delivery)),
        };
        let mut consignment = Consignment::new(target.arn.clone(), sender, region, body);
        consignment.group =
            target.sqs_parameters.as_ref().and_then(|sqs| sqs.message_group_id.clone());
        match kind {
            "kinesis" => consignment.partition_key = Some(partition_key(delivery)),
            "ecs" => consignment.parameters = task_parameters(delivery),
            _ => {}
        }
        Ok(consignment)
    }

    /// Onto another bus: with the same id, account and time. One hop only, as on AWS.
    async fn to_bus(&self, delivery: &Delivery, bus: BusKey) -> Result<(), Failure> {
        let arn = delivery.target.arn.as_str();
        if delivery.hop_count > 0 {
            let text = "Events that came from another bus are not sent to a third one.";
            return Err(Failure::lasting("THIRD_ACCOUNT_HOP_DETECTED", text));
        }
        let sender = self.sender_of(delivery)?;
        let text = |member: &str| delivery.event[member].as_str().unwrap_or_default();
        self.admit(&sender, &bus, (text("source"), text("detail-type")))
            .map_err(|error| Failure::lasting("NO_PERMISSIONS", error.message()))?;
        if crate::lookup::get_bus(&self.doors.ledger.snapshot(), &bus).is_none() {
            return Err(Failure::lasting("NO_RESOURCE", format!("{arn} does not exist.")));
        }
        let event = Arc::clone(&delivery.event);
        let mut publication = Publication::new(bus, event, delivery.ingested_at);
        publication.hop_count = delivery.hop_count + 1;
        let published = self.publish(&[publication]).await;
        published.map_err(|error| Failure::passing("INTERNAL_ERROR", error.message()))
    }
}

fn has_input(delivery: &Delivery) -> bool {
    let target = &delivery.target;
    target.input.is_some() || target.input_path.is_some() || target.input_transformer.is_some()
}

/// What a cluster is to run, and for whom.
fn task_parameters(delivery: &Delivery) -> Option<Json> {
    let mut parameters = haar_wire::to_json(delivery.target.ecs_parameters.as_ref()?);
    let started_by = format!("events-rule/{}", delivery.rule.name);
    parameters["StartedBy"] = Json::from(started_by.chars().take(36).collect::<String>());
    Some(parameters)
}

/// The text that the target gets.
pub(super) fn text_for(delivery: &Delivery) -> String {
    let around = || Surroundings {
        rule_arn: delivery.rule.arn(),
        rule_name: delivery.rule.name.clone(),
        ingested_at: seconds(delivery.ingested_at),
    };
    transform::input(&delivery.target, &delivery.event, around)
}

/// What the target's path leads to, else the event's id.
fn partition_key(delivery: &Delivery) -> String {
    let path = delivery.target.kinesis_parameters.as_ref();
    let path = path.and_then(|kinesis| Path::parse(&kinesis.partition_key_path));
    let found = path.and_then(|path| path.find(&delivery.event));
    let key = found.unwrap_or_else(|| delivery.event["id"].clone());
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}
