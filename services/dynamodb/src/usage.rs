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
use crate::metering::Kinds;
use crate::state::TableRow;
use crate::throttle::{TABLE, Throttle};

/// How long use waits in memory; it is lost with a killed haar.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Use that is not metered yet, by table.
#[derive(Default)]
pub(crate) struct Usage(Mutex<BTreeMap<u64, Tally>>);

struct Tally {
    table: Arc<TableRow>,
    read: Used,
    written: Used,
    counts: BTreeMap<Counted, u64>,
}

/// What is counted beside what it costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// A write was refused by its own condition.
    ConditionFailed,
    /// An item went by itself.
    Expired,
}

impl Counted {
    fn metric(self) -> &'static str {
        match self {
            Self::ConditionFailed => "ConditionalCheckFailedRequests",
            Self::Expired => "TimeToLiveDeletedItemCount",
        }
    }
}

/// Halves, by global index; none: the table's own.
type Used = BTreeMap<Option<String>, u64>;

impl Usage {
    /// Adds the units of one call on one table.
    pub(crate) fn add(&self, table: &Arc<TableRow>, direction: Direction, used: &Units) {
        let mut all = self.0.lock();
        let tally = Tally::among(&mut all, table);
        let sums = match direction {
            Direction::Read => &mut tally.read,
            Direction::Write => &mut tally.written,
        };
        for (index, halves) in used.parts() {
            *sums.entry(index.map(str::to_owned)).or_default() += halves;
        }
    }

    /// Counts one more of a table.
    pub(crate) fn count(&self, table: &Arc<TableRow>, what: Counted) {
        *Tally::among(&mut self.0.lock(), table).counts.entry(what).or_default() += 1;
    }

    /// Meters what was added up, and tells what was refused.
    pub(crate) fn flush(&self, doors: &Doors, throttle: &Throttle) {
        let all = std::mem::take(&mut *self.0.lock());
        let (now, sink) = (doors.clock.now(), doors.peeks.get::<dyn MetricSink>());
        for tally in all.into_values() {
            let (account, region, name) = &tally.table.key;
            if tally.table.billing.mode == BillingMode::PayPerRequest {
                let kinds = Kinds::of(&tally.table);
                doors.meter.record(UsageRecord {
                    account: account.clone(),
                    region: region.clone(),
                    at: now,
                    service: "dynamodb",
                    resource: name.clone(),
                    quantities: vec![
                        (kinds.read, tally.read.values().sum()),
                        (kinds.written, tally.written.values().sum::<u64>() / 2),
                    ],
                });
            }
            if let Some(sink) = &sink {
                tally.measure(&**sink, now);
            }
        }
        for (table, number, direction, count) in throttle.refused() {
            let metric = match direction {
                Direction::Read => "ReadThrottleEvents",
                Direction::Write => "WriteThrottleEvents",
            };
            let index = table.indexes.iter().find(|index| index.number == number);
            let index = index.filter(|_| number != TABLE).map(|index| index.name.as_str());
            if let Some(sink) = &sink {
                tell(&**sink, &table, index, (metric, count as f64), now);
            }
        }
    }

    /// Meters every second; never ends.
    pub(crate) async fn run(&self, doors: &Doors, throttle: &Throttle) {
        loop {
            doors.clock.sleep(FLUSH_EVERY).await;
            self.flush(doors, throttle);
        }
    }

    /// Forgets what is not metered yet.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }
}

impl Tally {
    fn among<'a>(all: &'a mut BTreeMap<u64, Self>, table: &Arc<TableRow>) -> &'a mut Self {
        all.entry(table.id).or_insert_with(|| Self {
            table: Arc::clone(table),
            read: Used::new(),
            written: Used::new(),
            counts: BTreeMap::new(),
        })
    }

    fn measure(&self, sink: &dyn MetricSink, at: Timestamp) {
        let consumed = [
            ("ConsumedReadCapacityUnits", &self.read),
            ("ConsumedWriteCapacityUnits", &self.written),
        ];
        for (metric, sums) in consumed {
            for (index, halves) in sums {
                tell(sink, &self.table, index.as_deref(), (metric, units(*halves)), at);
            }
        }
        for (what, count) in &self.counts {
            tell(sink, &self.table, None, (what.metric(), *count as f64), at);
        }
    }
}

/// AWS docs: *Developer Guide > DynamoDB metrics and dimensions*.
fn tell(
    sink: &dyn MetricSink,
    table: &TableRow,
    index: Option<&str>,
    (metric, value): (&str, f64),
    at: Timestamp,
) {
    let (account, region, name) = &table.key;
    let dimensions =
        [("TableName", name.as_str()), ("GlobalSecondaryIndexName", index.unwrap_or(""))];
    let dimensions = if index.is_some() { &dimensions[..] } else { &dimensions[..1] };
    sink.record(Sample {
        account,
        region,
        namespace: "AWS/DynamoDB",
        metric,
        dimensions,
        unit: "Count",
        value,
        at,
    });
}
