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
    /// By minute and bus. Each event adds to some: a name is copied for the first alone.
    sums: Mutex<BTreeMap<i64, BTreeMap<BusKey, OfBus>>>,
    arrived: Notify,
}

/// What is summed up; called as it is.
#[derive(Clone, Copy, Debug)]
enum Metric {
    PutEventsEntriesCount,
    PutEventsFailedEntriesCount,
    MatchedEvents,
    TriggeredRules,
    InvocationAttempts,
    RetryInvocationAttempts,
    Invocations,
    FailedInvocations,
    InvocationsSentToDlq,
    InvocationsFailedToBeSentToDlq,
}

const METRICS: [Metric; 10] = [
    Metric::PutEventsEntriesCount,
    Metric::PutEventsFailedEntriesCount,
    Metric::MatchedEvents,
    Metric::TriggeredRules,
    Metric::InvocationAttempts,
    Metric::RetryInvocationAttempts,
    Metric::Invocations,
    Metric::FailedInvocations,
    Metric::InvocationsSentToDlq,
    Metric::InvocationsFailedToBeSentToDlq,
];

/// Sums by metric.
type Counts = [usize; METRICS.len()];

/// Sums of a bus, and of its rules by their names.
#[derive(Default)]
struct OfBus {
    own: Counts,
    rules: BTreeMap<String, Counts>,
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
        for (minute, buses) in &sums {
            for (bus, OfBus { own, rules }) in buses {
                hand_over(&*sink, *minute, bus, &[], own);
                for (rule, counts) in rules {
                    let of_bus = (!bus.is_default()).then_some(("EventBusName", bus.name.as_str()));
                    let dimensions = of_bus.into_iter().chain([("RuleName", rule.as_str())]);
                    hand_over(&*sink, *minute, bus, &dimensions.collect::<Vec<_>>(), counts);
                }
            }
        }
    }

    /// An event matched a rule, which sends because of it.
    pub(crate) fn matched(&self, rule: &RuleKey, at: Timestamp) {
        self.of_rule(rule, &[Metric::MatchedEvents, Metric::TriggeredRules], at);
    }

    /// A rule sends because of its schedule.
    pub(crate) fn triggered(&self, rule: &RuleKey, at: Timestamp) {
        self.of_rule(rule, &[Metric::TriggeredRules], at);
    }

    /// A target is invoked, for the first time or again.
    pub(crate) fn invoked(&self, rule: &RuleKey, at: Timestamp, is_retry: bool) {
        let more = if is_retry { Metric::RetryInvocationAttempts } else { Metric::Invocations };
        self.of_rule(rule, &[Metric::InvocationAttempts, more], at);
    }

    /// An event was given up.
    pub(crate) fn failed(&self, rule: &RuleKey, at: Timestamp) {
        self.of_rule(rule, &[Metric::FailedInvocations], at);
    }

    /// A dead letter was sent, or was not taken.
    pub(crate) fn buried(&self, rule: &RuleKey, at: Timestamp, is_taken: bool) {
        let metric = match is_taken {
            true => Metric::InvocationsSentToDlq,
            false => Metric::InvocationsFailedToBeSentToDlq,
        };
        self.of_rule(rule, &[metric], at);
    }

    /// Entries came, and some were not taken.
    pub(crate) fn put(&self, bus: &BusKey, entry_count: usize, failed_count: usize, at: Timestamp) {
        let metrics = [
            (Metric::PutEventsEntriesCount, entry_count),
            (Metric::PutEventsFailedEntriesCount, failed_count),
        ];
        self.add(bus, at, |sums| {
            metrics.iter().for_each(|(metric, count)| sums.own[*metric as usize] += count);
        });
    }

    fn of_rule(&self, rule: &RuleKey, metrics: &[Metric], at: Timestamp) {
        self.add(&rule.bus, at, |sums| {
            let counts = match sums.rules.get_mut(&rule.name) {
                Some(known) => known,
                None => sums.rules.entry(rule.name.clone()).or_default(),
            };
            metrics.iter().for_each(|metric| counts[*metric as usize] += 1);
        });
    }

    fn add(&self, bus: &BusKey, at: Timestamp, add: impl FnOnce(&mut OfBus)) {
        let mut sums = self.sums.lock();
        let is_first = sums.is_empty();
        let buses = sums.entry(at.0 / MINUTE_MS).or_default();
        add(match buses.get_mut(bus) {
            Some(known) => known,
            None => buses.entry(bus.clone()).or_default(),
        });
        drop(sums);
        if is_first {
            self.arrived.notify_one();
        }
    }
}

/// Hands over what was counted at all.
fn hand_over(
    sink: &dyn MetricSink,
    minute: i64,
    bus: &BusKey,
    dimensions: &[(&str, &str)],
    counts: &Counts,
) {
    for metric in METRICS.into_iter().filter(|metric| counts[*metric as usize] > 0) {
        sink.record(Sample {
            account: &bus.account,
            region: &bus.region,
            namespace: "AWS/Events",
            metric: &format!("{metric:?}"),
            dimensions,
            unit: "Count",
            value: counts[metric as usize] as f64,
            at: Timestamp(minute * MINUTE_MS),
        });
    }
}
