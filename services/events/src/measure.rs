//! The room's own metrics, in the namespace `AWS/Events`.
//!
//! AWS docs: *Monitoring Amazon EventBridge > EventBridge metrics*.

use std::sync::Arc;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::Peeks;
use haar_types::Timestamp;

use crate::state::{BusKey, RuleKey};

/// Where the room's metrics go, once somebody takes them.
#[derive(Clone)]
pub(crate) struct Measure {
    peeks: Peeks,
}

impl Measure {
    pub(crate) fn new(peeks: Peeks) -> Self {
        Self { peeks }
    }

    /// An event matched a rule, which sends because of it.
    pub(crate) fn matched(&self, rule: &RuleKey, at: Timestamp) {
        self.of_rule(rule, "MatchedEvents", at);
        self.triggered(rule, at);
    }

    /// A rule sends, because of an event or of its schedule.
    pub(crate) fn triggered(&self, rule: &RuleKey, at: Timestamp) {
        self.of_rule(rule, "TriggeredRules", at);
    }

    /// A target is invoked, for the first time or again.
    pub(crate) fn invoked(&self, rule: &RuleKey, at: Timestamp, is_retry: bool) {
        self.of_rule(rule, "InvocationAttempts", at);
        match is_retry {
            true => self.of_rule(rule, "RetryInvocationAttempts", at),
            false => self.of_rule(rule, "Invocations", at),
        }
    }

    /// An event was given up.
    pub(crate) fn failed(&self, rule: &RuleKey, at: Timestamp) {
        self.of_rule(rule, "FailedInvocations", at);
    }

    /// A dead letter was sent, or was not taken.
    pub(crate) fn buried(&self, rule: &RuleKey, at: Timestamp, is_taken: bool) {
        match is_taken {
            true => self.of_rule(rule, "InvocationsSentToDlq", at),
            false => self.of_rule(rule, "InvocationsFailedToBeSentToDlq", at),
        }
    }

    /// Entries came, and some were not taken.
    pub(crate) fn put(&self, bus: &BusKey, entry_count: usize, failed_count: usize, at: Timestamp) {
        self.record(bus, "PutEventsEntriesCount", &[], entry_count, at);
        if failed_count > 0 {
            self.record(bus, "PutEventsFailedEntriesCount", &[], failed_count, at);
        }
    }

    fn of_rule(&self, rule: &RuleKey, metric: &str, at: Timestamp) {
        let name = [("RuleName", rule.name.as_str())];
        let both = [("EventBusName", rule.bus.name.as_str()), ("RuleName", rule.name.as_str())];
        let dimensions = if rule.bus.is_default() { &name[..] } else { &both[..] };
        self.record(&rule.bus, metric, dimensions, 1, at);
    }

    fn record(
        &self,
        bus: &BusKey,
        metric: &str,
        dimensions: &[(&str, &str)],
        count: usize,
        at: Timestamp,
    ) {
        let Some(sink) = self.sink() else { return };
        sink.record(Sample {
            account: &bus.account,
            region: &bus.region,
            namespace: "AWS/Events",
            metric,
            dimensions,
            unit: "Count",
            value: count as f64,
            at,
        });
    }

    fn sink(&self) -> Option<Arc<dyn MetricSink>> {
        self.peeks.get::<dyn MetricSink>()
    }
}
