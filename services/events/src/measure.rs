//! The room's own metrics, in the namespace `AWS/Events`.
//!
//! AWS docs: *Monitoring Amazon EventBridge > EventBridge metrics*.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_clock::Clock;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::Peeks;
use haar_types::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::state::{BusKey, RuleKey};

/// A minute: what statistics are kept of.
const MINUTE_MS: i64 = 60_000;
/// How long values are gathered. *Ours*.
const GATHERED_FOR: Duration = Duration::from_secs(1);

/// Where the room's metrics go, once somebody takes them: sums of about a second each, as their
/// statistic is the sum.
pub(crate) struct Measure {
    peeks: Peeks,
    sums: Mutex<BTreeMap<Counted, usize>>,
    arrived: Notify,
}

/// What is summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counted {
    minute: i64,
    metric: &'static str,
    bus: BusKey,
    /// Of a rule's metrics.
    rule: Option<String>,
}

impl Measure {
    pub(crate) fn new(peeks: Peeks) -> Self {
        Self { peeks, sums: Mutex::default(), arrived: Notify::new() }
    }

    /// Hands sums over; never ends.
    pub(crate) async fn run(&self, clock: &Clock) {
        loop {
            self.arrived.notified().await;
            clock.sleep(GATHERED_FOR).await;
            self.flush();
        }
    }

    /// Hands the sums over that are there.
    pub(crate) fn flush(&self) {
        let sums = std::mem::take(&mut *self.sums.lock());
        let Some(sink) = self.peeks.get::<dyn MetricSink>() else { return };
        for (counted, count) in sums {
            let bus = &counted.bus;
            let rule = counted.rule.as_deref().map(|rule| ("RuleName", rule));
            let of_bus = Some(("EventBusName", bus.name.as_str()));
            let of_bus = of_bus.filter(|_| rule.is_some() && !bus.is_default());
            let dimensions: Vec<(&str, &str)> = of_bus.into_iter().chain(rule).collect();
            sink.record(Sample {
                account: &bus.account,
                region: &bus.region,
                namespace: "AWS/Events",
                metric: counted.metric,
                dimensions: &dimensions,
                unit: "Count",
                value: count as f64,
                at: Timestamp(counted.minute * MINUTE_MS),
            });
        }
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
        self.add(bus, None, "PutEventsEntriesCount", entry_count, at);
        if failed_count > 0 {
            self.add(bus, None, "PutEventsFailedEntriesCount", failed_count, at);
        }
    }

    fn of_rule(&self, rule: &RuleKey, metric: &'static str, at: Timestamp) {
        self.add(&rule.bus, Some(&rule.name), metric, 1, at);
    }

    fn add(
        &self,
        bus: &BusKey,
        rule: Option<&str>,
        metric: &'static str,
        count: usize,
        at: Timestamp,
    ) {
        let (minute, bus, rule) = (at.0 / MINUTE_MS, bus.clone(), rule.map(str::to_owned));
        let mut sums = self.sums.lock();
        let is_first = sums.is_empty();
        *sums.entry(Counted { minute, metric, bus, rule }).or_default() += count;
        drop(sums);
        if is_first {
            self.arrived.notify_one();
        }
    }
}
