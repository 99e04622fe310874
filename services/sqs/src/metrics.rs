//! What CloudWatch and the bill hear of queues.
//!
//! AWS docs: *Amazon SQS Developer Guide > Available CloudWatch metrics for Amazon SQS*.

use std::sync::Arc;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Doors, Meter, Peeks, UsageRecord};
use haar_types::Timestamp;

use crate::state::QueueRow;

/// A request counts once for each 64 KB that it carries.
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

    /// Adds values of a queue: names, units, values.
    pub(crate) fn add(&self, row: &QueueRow, at: Timestamp, values: &[(&str, &str, f64)]) {
        let Some(sink) = self.peeks.get::<dyn MetricSink>() else { return };
        let key = &row.key;
        for (metric, unit, value) in values {
            sink.record(Sample {
                account: &key.account,
                region: &key.region,
                namespace: "AWS/SQS",
                metric,
                dimensions: &[("QueueName", &key.name)],
                unit,
                value: *value,
                at,
            });
        }
    }

    /// Notes a request that carried so many bytes.
    pub(crate) fn bill(&self, row: &QueueRow, at: Timestamp, bytes: usize) {
        let kind = if row.settings.is_fifo { "requests/fifo" } else { "requests/standard" };
        let count = bytes.div_ceil(CHUNK_BYTES).max(1) as u64;
        self.meter.record(UsageRecord {
            account: row.key.account.clone(),
            region: row.key.region.clone(),
            at,
            service: "sqs",
            resource: row.key.name.clone(),
            quantities: vec![(kind, count)],
        });
    }
}
