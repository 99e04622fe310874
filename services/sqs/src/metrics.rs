//! What CloudWatch and the bill hear of queues.
//!
//! AWS docs: *Amazon SQS Developer Guide > Available CloudWatch metrics for Amazon SQS*.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_kernel::{Doors, Meter, Peeks, UsageRecord};
use haar_types::Timestamp;

use crate::Sqs;
use crate::state::QueueRow;

/// How often CloudWatch hears how many messages there are.
const MEASURED_EVERY: Duration = Duration::from_secs(60);

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

impl Sqs {
    /// Measures queues that have messages, or had a minute ago; never ends.
    pub(crate) async fn measure(self: Arc<Self>) {
        let mut active = BTreeSet::new();
        loop {
            self.doors.clock.sleep(MEASURED_EVERY).await;
            let rows: Vec<Arc<QueueRow>> = self.doors.ledger.snapshot().all().collect();
            let mut measured = BTreeSet::new();
            for row in rows {
                if self.measure_one(&row, active.contains(&row.id)).await {
                    measured.insert(row.id);
                }
            }
            active = measured;
        }
    }

    /// Measures one queue; whether it has messages.
    async fn measure_one(&self, row: &QueueRow, was_active: bool) -> bool {
        let Ok(queue) = self.at_work(row).await else { return false };
        let Ok((counts, oldest)) = self.engine.counts(&queue) else { return false };
        if oldest.is_none() && !was_active {
            return false;
        }
        let now = self.doors.clock.now();
        let age = oldest.map_or(0.0, |sent_at| now.since(sent_at).as_secs_f64());
        self.metrics.add(
            row,
            now,
            &[
                ("ApproximateNumberOfMessagesVisible", "Count", counts.ready as f64),
                ("ApproximateNumberOfMessagesNotVisible", "Count", counts.in_flight as f64),
                ("ApproximateNumberOfMessagesDelayed", "Count", counts.delayed as f64),
                ("ApproximateAgeOfOldestMessage", "Seconds", age.floor()),
            ],
        );
        oldest.is_some()
    }
}
