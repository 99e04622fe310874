//! Records of asynchronous invocations for destinations, and dead letters. AWS docs: *Capturing
//! records of Lambda asynchronous invocations*.

use bytes::Bytes;
use haar_kv::Durability;
use haar_types::{Arn, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::async_event::{AsyncEvent, AsyncTarget, EventSender};
use super::queue::Inner;
use crate::fleet::InvokeOutcome;

/// What is said of an invocation that was stopped because its function calls itself. *Ours*.
pub(crate) const LOOP_MESSAGE: &str = "Lambda has detected your function being invoked in a \
                                       recursive loop and stopped your function's invocation.";

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    /// *Ours*: AWS documents no name for it.
    RecursiveLoop,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::RecursiveLoop => "RecursiveLoop",
        }
    }
}

/// An event that is dealt with.
pub(super) struct Record<'a> {
    pub(super) event: &'a AsyncEvent,
    pub(super) found: &'a AsyncTarget,
    pub(super) outcome: Option<&'a InvokeOutcome>,
    pub(super) condition: Condition,
    pub(super) at: Timestamp,
}

impl Record<'_> {
    fn document(&self) -> Value {
        let target = &self.found.target;
        let mut document = json!({
            "version": "1.0",
            "timestamp": self.at.iso_millis(),
            "requestContext": {
                "requestId": self.event.request_id,
                "functionArn": format!("{}:{}", target.arn(), target.version),
                "condition": self.condition.name(),
                "approximateInvokeCount": self.event.attempt_count(),
            },
            "requestPayload": payload(&self.event.payload),
        });
        if let Some(outcome) = self.outcome {
            let mut context =
                json!({ "statusCode": 200, "executedVersion": outcome.executed_version });
            if outcome.function_error.is_some() {
                context["functionError"] = json!("Unhandled");
            }
            document["responseContext"] = context;
            document["responsePayload"] = payload(&outcome.payload);
        }
        document
    }
}

fn payload(bytes: &Bytes) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_) if bytes.is_empty() => json!({}),
        Err(_) => json!(String::from_utf8_lossy(bytes)),
    }
}

/// Sends the record to the destination of its condition, and a failed event to the dead letters.
pub(super) async fn tell(queue: &Inner, record: &Record<'_>) {
    let config = &record.found.config;
    let destination = match record.condition {
        Condition::Success => &config.on_success,
        _ => &config.on_failure,
    };
    if let Some(destination) = destination {
        let body = Bytes::from(record.document().to_string());
        if let Err(reason) = deliver(queue, record, destination, body, &[]).await {
            let event = &record.event.request_id;
            tracing::warn!(%destination, %event, %reason, "a record could not be delivered");
            queue.count(record.event, "DestinationDeliveryFailures", 1.0);
        }
    }
    if let Some(dead_letter) = &config.dead_letter
        && record.condition != Condition::Success
    {
        let message = match record.condition {
            Condition::RecursiveLoop => LOOP_MESSAGE.to_owned(),
            _ => record.outcome.map(error_message).unwrap_or_default(),
        };
        let attributes = [
            ("RequestID", record.event.request_id.clone()),
            ("ErrorCode", "200".to_owned()),
            ("ErrorMessage", message),
        ];
        let body = record.event.payload.clone();
        if let Err(reason) = deliver(queue, record, dead_letter, body, &attributes).await {
            let event = &record.event.request_id;
            tracing::warn!(%dead_letter, %event, %reason, "a dead letter could not be delivered");
            queue.count(record.event, "DeadLetterErrors", 1.0);
        }
    }
}

fn error_message(outcome: &InvokeOutcome) -> String {
    let document: Value = serde_json::from_slice(&outcome.payload).unwrap_or_default();
    let message = document["errorMessage"].as_str().unwrap_or_default();
    message.chars().take(1024).collect()
}

async fn deliver(
    queue: &Inner,
    record: &Record<'_>,
    destination: &str,
    body: Bytes,
    attributes: &[(&str, String)],
) -> Result<(), String> {
    let arn: Arn = destination.parse().map_err(|error| format!("{error}"))?;
    let target = &record.found.target;
    let function_arn = target.arn();
    let sender = EventSender {
        account: &record.event.account,
        region: &record.event.region,
        function_arn: &function_arn,
        role_arn: &target.role_arn,
    };
    if arn.service() != "lambda" {
        return queue.parts.targets.deliver(&sender, destination, body, attributes).await;
    }
    queue.parts.directory.may_invoke(&sender, destination)?;
    let mut parts = arn.resource().splitn(3, ':').skip(1);
    let name = parts.next().ok_or("the destination's ARN names no function")?;
    let qualifier = parts.next();
    let (account, region) = (arn.account().parse()?, arn.region().parse()?);
    let given = record.event.trace.as_deref();
    let link = queue.parts.directory.link(&account, &region, name, given);
    let event = AsyncEvent {
        request_id: follow_up_id(&record.event.request_id, destination),
        account,
        region,
        function_name: name.to_owned(),
        qualifier: qualifier.map(str::to_owned),
        invoked_arn: destination.to_owned(),
        payload: body,
        is_loop: link.as_ref().is_some_and(|link| link.is_loop),
        trace: link.map(|link| link.trace).or_else(|| record.event.trace.clone()),
        accepted_at: record.at,
        tried_count: 0,
        is_running: false,
        interrupted_count: 0,
        due_at: record.at,
        turned_away_count: 0,
    };
    queue.store(&event, Durability::Synced).await.map_err(|error| error.to_string())?;
    queue.count(&event, "AsyncEventsReceived", 1.0);
    queue.schedule(&event);
    Ok(())
}

/// The same for the same record, so that a crash between delivery and removal makes no second
/// event of it while the first still waits.
fn follow_up_id(request_id: &str, destination: &str) -> String {
    let digest = Sha256::digest(format!("{request_id}\0{destination}"));
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
