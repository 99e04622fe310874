//! What tables were used, added up until it is metered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_dynamodb_contract::BillingMode;
use haar_kernel::{Doors, UsageRecord};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::capacity::{Direction, Units, units};
use crate::state::TableRow;

/// How long use waits in memory; it is lost with a killed haar.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Use that is not metered yet, by table.
#[derive(Default)]
pub(crate) struct Usage(Mutex<BTreeMap<u64, Tally>>);

struct Tally {
    table: Arc<TableRow>,
    read: u64,
    written: u64,
}

impl Usage {
    /// Adds the units of one call on one table.
    pub(crate) fn add(&self, table: &Arc<TableRow>, direction: Direction, used: &Units) {
        let mut all = self.0.lock();
        let tally = all.entry(table.id).or_insert_with(|| Tally {
            table: Arc::clone(table),
            read: 0,
            written: 0,
        });
        match direction {
            Direction::Read => tally.read += used.total(),
            Direction::Write => tally.written += used.total(),
        }
    }

    /// Meters what was added up.
    pub(crate) fn flush(&self, doors: &Doors) {
        let all = std::mem::take(&mut *self.0.lock());
        let (now, sink) = (doors.clock.now(), doors.peeks.get::<dyn MetricSink>());
        for tally in all.into_values() {
            let (account, region, name) = &tally.table.key;
            if tally.table.billing.mode == BillingMode::PayPerRequest {
                doors.meter.record(UsageRecord {
                    account: account.clone(),
                    region: region.clone(),
                    at: now,
                    service: "dynamodb",
                    resource: name.clone(),
                    quantities: vec![
                        ("half-read-units", tally.read),
                        ("write-units", tally.written / 2),
                    ],
                });
            }
            if let Some(sink) = &sink {
                tally.measure(&**sink, now);
            }
        }
    }

    /// Meters every second; never ends.
    pub(crate) async fn run(&self, doors: &Doors) {
        loop {
            doors.clock.sleep(FLUSH_EVERY).await;
            self.flush(doors);
        }
    }

    /// Forgets what is not metered yet.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }
}

impl Tally {
    fn measure(&self, sink: &dyn MetricSink, at: Timestamp) {
        let (account, region, name) = &self.table.key;
        let consumed = [
            ("ConsumedReadCapacityUnits", self.read),
            ("ConsumedWriteCapacityUnits", self.written),
        ];
        for (metric, halves) in consumed.into_iter().filter(|(_, halves)| *halves > 0) {
            sink.record(Sample {
                account,
                region,
                namespace: "AWS/DynamoDB",
                metric,
                dimensions: &[("TableName", name)],
                unit: "Count",
                value: units(halves),
                at,
            });
        }
    }
}
