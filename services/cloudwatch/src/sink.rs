//! Takes metric values from other rooms.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};

use crate::rules::digest::Digest;
use crate::rules::period::Resolution;
use crate::rules::unit::Unit;
use crate::store::{MetricKey, MetricStore, Point};

/// How often values are written; readers do not wait for it.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

impl MetricSink for MetricStore {
    fn record(&self, sample: Sample<'_>) {
        if !sample.value.is_finite() {
            tracing::warn!(metric = sample.metric, "a metric value is not a number; dropped");
            return;
        }
        let point = Point {
            at: sample.at,
            resolution: Resolution::Minute,
            unit: Unit::parse(sample.unit).unwrap_or(Unit::NONE),
            digest: Digest::of(sample.value, 1.0),
        };
        self.add(MetricKey::of_sample(&sample), &point);
    }
}

/// Writes values as they come; never ends.
pub(crate) async fn flush_always(store: Arc<MetricStore>, clock: Clock) {
    loop {
        store.arrived().await;
        clock.sleep(FLUSH_EVERY).await;
        if let Err(error) = store.write_out().await {
            tracing::error!(%error, "could not write metric values");
        }
    }
}
