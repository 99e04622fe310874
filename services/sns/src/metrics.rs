//! What CloudWatch and the bill hear of topics.
//!
//! AWS docs: *Amazon SNS Developer Guide > Monitoring Amazon SNS topics using CloudWatch*.

use std::sync::Arc;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Doors, Meter, Peeks, UsageRecord};
use haar_types::Timestamp;

use crate::state::TopicKey;

const CHUNK_BYTES: usize = 64 * 1024;

/// Where they hear it.
pub(crate) struct Metrics {
    peeks: Peeks,
    meter: Arc<dyn Meter>,
}

impl Metrics {
    pub(crate) fn new(doors: &Doors) -> Self {
        Self { peeks: doors.peeks.clone(), meter: Arc::clone(&doors.meter) }
    }

    /// Adds a value of a topic.
    pub(crate) fn add(&self, topic: &TopicKey, at: Timestamp, metric: &str, value: f64) {
        let Some(sink) = self.peeks.get::<dyn MetricSink>() else { return };
        sink.record(Sample {
            account: &topic.account,
            region: &topic.region,
            namespace: "AWS/SNS",
            metric,
            dimensions: &[("TopicName", &topic.name)],
            unit: if metric == "PublishSize" { "Bytes" } else { "Count" },
            value,
            at,
        });
    }

    /// Notes a message that was published.
    pub(crate) fn published(&self, topic: &TopicKey, is_fifo: bool, at: Timestamp, bytes: usize) {
        self.add(topic, at, "NumberOfMessagesPublished", 1.0);
        self.add(topic, at, "PublishSize", bytes as f64);
        let kind = if is_fifo { "requests/fifo" } else { "requests/standard" };
        self.bill(topic, at, kind, bytes.div_ceil(CHUNK_BYTES).max(1) as u64);
    }

    /// Notes a delivery that is paid for.
    pub(crate) fn bill(&self, topic: &TopicKey, at: Timestamp, kind: &'static str, count: u64) {
        self.meter.record(UsageRecord {
            account: topic.account.clone(),
            region: topic.region.clone(),
            at,
            service: "sns",
            resource: topic.name.clone(),
            quantities: vec![(kind, count)],
        });
    }
}
