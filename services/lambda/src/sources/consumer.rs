//! The function of a mapping, as who takes batches.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_cloudwatch_contract::peek::Sample;
use haar_lambda_contract::model::EventSourceMappingMetric;
use haar_poller::{Consumer, Delivery, Discarded, Taken};
use haar_types::RequestId;
use serde_json::{Value, json};

use super::discard;
use super::event::event;
use super::identity::Poll;
use crate::fleet::{InvokeError, InvokeRequest, record};

/// Invokes a mapping's function.
pub(super) struct FunctionConsumer {
    poll: Poll,
    counts_events: bool,
}

impl FunctionConsumer {
    pub(super) fn new(poll: Poll) -> Self {
        let metrics = poll.row.settings.metrics_config.as_ref();
        let asked = metrics.and_then(|metrics| metrics.metrics.as_deref()).unwrap_or_default();
        let counts_events = asked.contains(&EventSourceMappingMetric::EventCount);
        Self { poll, counts_events }
    }

    /// Counts events where the mapping's `MetricsConfig` asks for it. AWS docs: *Event source
    /// mapping metrics*.
    pub(super) fn count_events(&self, metric: &str, count: usize) {
        if !self.counts_events || count == 0 {
            return;
        }
        let key = &self.poll.row.key;
        self.poll.room.fleet.metrics().record(Sample {
            account: &key.account,
            region: &key.region,
            namespace: "AWS/Lambda",
            metric,
            dimensions: &[("EventSourceMappingUUID", &key.uuid)],
            unit: "Count",
            value: count as f64,
            at: self.poll.room.doors.clock.now(),
        });
    }

    async fn invoke(&self, delivery: Delivery<'_>) -> Taken {
        let room = &self.poll.room;
        let unreached = |error: haar_wire::AwsError| Taken::Unreached(error.message().to_owned());
        let resolved = match self.poll.resolve() {
            Ok(resolved) => resolved,
            Err(error) => return unreached(error),
        };
        if let Err(error) = resolved.check_invocable() {
            return unreached(error.into());
        }
        let request_id = room.doors.ids.uuid();
        let alias = resolved.alias.as_ref().map(|alias| alias.name.clone());
        let given = delivery.items.first().and_then(|item| {
            item.record["attributes"]["AWSTraceHeader"].as_str().map(str::to_owned)
        });
        let link = room.link(&resolved.function, &resolved.version, given.as_deref());
        let target = room.cached_target(&resolved.version);
        if link.is_loop {
            room.count_stopped(&resolved.version, alias.as_deref());
            return Taken::Failed(facts(&request_id, "$LATEST", true));
        }
        let request = InvokeRequest {
            request_id: RequestId::new(request_id.as_str()),
            invoked_arn: resolved.invoked_arn().to_string(),
            event: event(&delivery, self.poll.source()),
            client_context: None,
            trace: Some(link.trace),
            limits: room.cached_limits(&resolved.function),
            wants_tail: false,
            alias: alias.clone(),
        };
        if delivery.shard.is_some()
            && let Some(last) = delivery.items.last()
        {
            let now = room.doors.clock.now();
            let age = now.since(last.at).as_secs_f64() * 1000.0;
            let metrics = room.fleet.metrics();
            record(&*metrics, &target, alias.as_deref(), ("IteratorAge", "Milliseconds", age), now);
        }
        self.judge(room.fleet.invoke(target, request).await, &request_id, delivery)
    }

    fn judge(
        &self,
        outcome: Result<crate::fleet::InvokeOutcome, InvokeError>,
        request_id: &str,
        delivery: Delivery<'_>,
    ) -> Taken {
        let count = delivery.items.len();
        match outcome {
            Ok(outcome) if outcome.function_error.is_none() => {
                self.count_events("InvokedEventCount", count);
                let facts = facts(request_id, &outcome.executed_version, false);
                Taken::Answered(outcome.payload, facts)
            }
            Ok(_) if self.poll.room.fleet.is_stopping() => Taken::Cut,
            Ok(outcome) => {
                self.count_events("InvokedEventCount", count);
                self.count_events("FailedInvokeEventCount", count);
                Taken::Failed(facts(request_id, &outcome.executed_version, true))
            }
            Err(_) if self.poll.room.fleet.is_stopping() => Taken::Cut,
            Err(error) => Taken::Unreached(error.to_string()),
        }
    }
}

/// What is known of an attempt, as the record of a discarded batch has it.
fn facts(request_id: &str, version: &str, has_failed: bool) -> Value {
    let mut response = json!({ "statusCode": 200, "executedVersion": version });
    response["functionError"] = if has_failed { json!("Unhandled") } else { Value::Null };
    json!({ "requestId": request_id, "response": response })
}

impl Consumer for FunctionConsumer {
    fn take<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Taken> {
        Box::pin(self.invoke(delivery))
    }

    fn discard<'a>(&'a self, discarded: Discarded<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.count_events("DroppedEventCount", discarded.items.len());
            if discard::tell(&self.poll, &discarded).await {
                let count = discarded.items.len();
                self.count_events("OnFailureDestinationDeliveredEventCount", count);
            }
        })
    }

    fn note(&self, result: &str) {
        self.poll.room.pollers.note(&self.poll.row.key, result);
    }

    fn count(&self, read: usize, dropped: usize) {
        self.count_events("PolledEventCount", read);
        self.count_events("FilteredOutEventCount", dropped);
    }
}

/// An event's bytes, for records of discarded batches.
pub(super) fn payload_of(discarded: &Discarded<'_>, source_arn: &str) -> Bytes {
    let (items, shard) = (discarded.items, Some(discarded.shard));
    event(&Delivery { items, shard, window: None }, source_arn)
}
