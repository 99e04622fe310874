//! What becomes of events as they are written: letters to subscribers, values of metrics.

use std::sync::Arc;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_courier::Staged;
use haar_kernel::Kept;
use haar_kv::Batch;
use haar_ledger::Snapshot;
use haar_types::Timestamp;

use crate::events::StreamId;
use crate::rules::embedded;
use crate::rules::filter_pattern::FilterPattern;
use crate::rules::position::Position;
use crate::sink::Sink;
use crate::state::{
    GroupKey, MetricFilterRow, StreamKey, SubscriptionRow, Transformation, filters_of,
};
use crate::subscription::{Subscribed, SubscribedEvent};

/// Patterns that are kept at most; each has two expressions of some MiB at worst, with what they
/// keep of texts.
const PATTERNS_MAX: usize = 64;

/// Patterns with regular expressions, which take longer to read than events to match, by their
/// texts.
pub(crate) struct Patterns(Kept<String, FilterPattern>);

impl Default for Patterns {
    fn default() -> Self {
        Self(Kept::new(PATTERNS_MAX))
    }
}

impl Patterns {
    /// A filter's pattern; it was read when the filter was put.
    fn read(&self, text: &str) -> Option<Arc<FilterPattern>> {
        self.0.get(text).or_else(|| {
            let pattern = FilterPattern::parse(text).ok()?;
            Some(match pattern.has_regex() {
                true => self.0.keep(text.to_owned(), pattern),
                false => Arc::new(pattern),
            })
        })
    }
}

/// A subscription filter with its pattern.
pub(crate) type Subscription = (Arc<SubscriptionRow>, Arc<FilterPattern>);

/// Events that come into a stream, with their places.
pub(crate) struct Came<'a> {
    pub(crate) events: &'a [(Timestamp, String)],
    pub(crate) positions: &'a [Position],
}

impl Sink {
    /// A group's subscription filters, read before anybody waits for what they pass on.
    pub(crate) fn subscriptions(&self, snapshot: &Snapshot, group: &GroupKey) -> Vec<Subscription> {
        let filters = filters_of::<SubscriptionRow>(snapshot, group);
        filters
            .filter_map(|filter| Some((Arc::clone(&filter), self.patterns.read(&filter.pattern)?)))
            .collect()
    }

    /// Passes on what the group's filters match. Letters go into the events' own batch.
    pub(crate) fn pass_on(
        &self,
        batch: &mut Batch,
        subscriptions: &[Subscription],
        (stream, id): (&StreamKey, StreamId),
        came: &Came<'_>,
    ) -> Staged {
        let Some(courier) = self.courier.get() else { return Staged::default() };
        let mut letters = Vec::new();
        for (filter, pattern) in subscriptions {
            let all = came.events.iter().zip(came.positions);
            let matching = all.filter(|((_, message), _)| pattern.matches(message)).map(
                |((timestamp, message), position)| SubscribedEvent {
                    id: position.digits(id.stream),
                    timestamp: timestamp.0,
                    message: message.clone(),
                },
            );
            letters.extend(Subscribed::letters(filter, &stream.name, matching));
        }
        courier.stage(batch, letters)
    }

    /// Records what the group's metric filters make of events that are written, and the metrics
    /// that are embedded in them.
    pub(crate) fn measure(
        &self,
        snapshot: &Snapshot,
        stream: &StreamKey,
        events: &[(Timestamp, String)],
        now: Timestamp,
    ) {
        for filter in filters_of::<MetricFilterRow>(snapshot, &stream.group) {
            self.measure_by(stream, &filter, events, now);
        }
        self.record_embedded(stream, events);
    }

    fn record_embedded(&self, stream: &StreamKey, events: &[(Timestamp, String)]) {
        for root in events.iter().filter_map(|(_, message)| embedded::parse(message)) {
            let Some(metrics) = self.peeks.get::<dyn MetricSink>() else { return };
            for one in embedded::values(&root) {
                metrics.record(Sample {
                    account: &stream.group.account,
                    region: &stream.group.region,
                    namespace: one.namespace,
                    metric: one.metric,
                    dimensions: &one.dimensions,
                    unit: one.unit,
                    value: one.value,
                    at: one.at,
                });
            }
        }
    }

    fn measure_by(
        &self,
        stream: &StreamKey,
        filter: &MetricFilterRow,
        events: &[(Timestamp, String)],
        now: Timestamp,
    ) {
        let Some(metrics) = self.peeks.get::<dyn MetricSink>() else { return };
        let Some(pattern) = self.patterns.read(&filter.pattern) else { return };
        let matching = || events.iter().filter(|(_, message)| pattern.matches(message));
        for one in &filter.transformations {
            let mut is_any = false;
            for (at, message) in matching() {
                is_any = true;
                record(&*metrics, stream, one, (*at, value(&pattern, one, message)), |field| {
                    pattern.field(message, field)
                });
            }
            if !is_any && one.default.is_some() {
                record(&*metrics, stream, one, (now, one.default), |_| None);
            }
        }
    }
}

/// The value that a matching event gives; none where its field is no number.
fn value(pattern: &FilterPattern, one: &Transformation, message: &str) -> Option<f64> {
    let text = match one.value.starts_with('$') {
        true => pattern.field(message, &one.value)?,
        false => one.value.clone(),
    };
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// Records a value; none where a dimension's field is not in the event, as on AWS.
fn record(
    metrics: &dyn MetricSink,
    stream: &StreamKey,
    one: &Transformation,
    (at, value): (Timestamp, Option<f64>),
    field: impl Fn(&str) -> Option<String>,
) {
    let dimensions = one.dimensions.iter().map(|(name, of)| Some((name.as_str(), field(of)?)));
    let (Some(value), Some(dimensions)) = (value, dimensions.collect::<Option<Vec<_>>>()) else {
        return;
    };
    let dimensions: Vec<_> =
        dimensions.iter().map(|(name, value)| (*name, value.as_str())).collect();
    metrics.record(Sample {
        account: &stream.group.account,
        region: &stream.group.region,
        namespace: &one.namespace,
        metric: &one.metric,
        dimensions: &dimensions,
        unit: if one.unit.is_empty() { "None" } else { &one.unit },
        value,
        at,
    });
}
