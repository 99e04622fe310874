//! Throughput: what tables and global indexes may use, kept in memory.
//!
//! Each that is provisioned has one bucket for reads and one for writes, that fills by its units each second and holds
//! five minutes of them. AWS docs: *Developer Guide > Burst capacity*. A call passes while there is
//! something left, whatever it then takes: what it costs is known late, and the next ones wait
//! for what it took too much. *Ours*: a new table's buckets are full, as is everything that this
//! process has not seen used. On demand there are such buckets only where a maximum was set; they
//! hold what one second gives (*Ours*).

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_dynamodb_contract::{
    BillingMode, ProvisionedThroughputExceededException, ThrottlingException, ThrottlingReason,
};
use haar_types::Timestamp;
use haar_wire::AwsError;
use parking_lot::Mutex;

use crate::capacity::{Direction, Units};
use crate::state::{TableRow, Throughput};

/// Milliseconds of unused capacity that are kept.
const KEPT_MS: i64 = 300_000;

/// The same below a maximum on demand.
const KEPT_ON_DEMAND_MS: i64 = 1000;

/// Thousandths of half units that one half unit has: what one unit gives in a millisecond is 2.
const PARTS: i64 = 1000;

/// The table itself, among the numbers of indexes.
pub(crate) const TABLE: u32 = 0;

/// A table's id, an index's number, reads or writes.
type Key = (u64, u32, Direction);

/// All buckets.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Default)]
struct State {
    buckets: BTreeMap<Key, Bucket>,
    refused: BTreeMap<Key, (Arc<TableRow>, u64)>,
}

struct Bucket {
    left: i64,
    at: Timestamp,
}

/// What one call takes from one bucket.
struct Share<'a> {
    number: u32,
    /// `None`: the table itself.
    index: Option<&'a str>,
    /// Units a second.
    rate: i64,
    is_provisioned: bool,
    halves: u64,
}

impl Throttle {
    /// Takes what a call costs, or nothing where there is nothing left of one of its parts.
    ///
    /// # Errors
    /// AWS's, with the first part that has nothing left.
    pub(crate) fn take(
        &self,
        table: &Arc<TableRow>,
        direction: Direction,
        units: &Units,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        self.take_all(&[(table, units)], direction, now).map_err(|(_, error)| error)
    }

    /// The same for calls that pass together or not at all; with the place of the one to blame.
    pub(crate) fn take_all(
        &self,
        calls: &[(&Arc<TableRow>, &Units)],
        direction: Direction,
        now: Timestamp,
    ) -> Result<(), (usize, AwsError)> {
        if !calls.iter().any(|(table, _)| is_limited(table)) {
            return Ok(());
        }
        let calls = calls.iter().enumerate();
        let all = calls.flat_map(|(at, (table, units))| {
            shares(table, direction, units).map(move |share| (at, *table, share))
        });
        let all: Vec<_> = all.collect();
        let mut state = self.0.lock();
        for (at, table, share) in &all {
            let key = (table.id, share.number, direction);
            if state.bucket(key, share, now).left <= 0 {
                let entry = state.refused.entry(key);
                entry.or_insert_with(|| (Arc::clone(table), 0)).1 += 1;
                return Err((*at, exceeded(table, share, direction)));
            }
        }
        for (_, table, share) in &all {
            let key = (table.id, share.number, direction);
            let cost = i64::try_from(share.halves).unwrap_or(i64::MAX).saturating_mul(PARTS);
            let bucket = state.bucket(key, share, now);
            bucket.left = bucket.left.saturating_sub(cost);
        }
        Ok(())
    }

    /// Refusals since the last call, by table, index and direction.
    pub(crate) fn refused(&self) -> Vec<(Arc<TableRow>, u32, Direction, u64)> {
        let all = std::mem::take(&mut self.0.lock().refused);
        all.into_iter().map(|((_, number, way), (row, count))| (row, number, way, count)).collect()
    }

    /// Forgets a table that is gone.
    pub(crate) fn forget_table(&self, id: u64) {
        self.0.lock().buckets.retain(|(table, _, _), _| *table != id);
    }

    /// Forgets all that was used.
    pub(crate) fn forget(&self) {
        *self.0.lock() = State::default();
    }
}

impl State {
    /// A bucket, filled up to now.
    fn bucket(&mut self, key: Key, share: &Share<'_>, now: Timestamp) -> &mut Bucket {
        let a_milli = share.rate.saturating_mul(2);
        let kept_ms = if share.is_provisioned { KEPT_MS } else { KEPT_ON_DEMAND_MS };
        let most = a_milli.saturating_mul(kept_ms);
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: most, at: now });
        let elapsed = (now.0 - bucket.at.0).max(0);
        bucket.left = bucket.left.saturating_add(a_milli.saturating_mul(elapsed)).min(most);
        bucket.at = bucket.at.max(now);
        bucket
    }
}

impl Throughput {
    fn of(self, direction: Direction) -> i64 {
        match direction {
            Direction::Read => self.read,
            Direction::Write => self.write,
        }
    }
}

fn is_limited(table: &TableRow) -> bool {
    let maximum = table.indexes.iter().any(|index| index.on_demand.is_some());
    let maximum = maximum || table.billing.on_demand.is_some();
    table.billing.mode == BillingMode::Provisioned || maximum
}

/// Local indexes use what their table has.
fn shares<'a>(
    table: &'a TableRow,
    direction: Direction,
    units: &'a Units,
) -> impl Iterator<Item = Share<'a>> {
    let is_provisioned = table.billing.mode == BillingMode::Provisioned;
    units.parts().filter_map(move |(name, halves)| {
        let index = name.map(|name| table.index(name));
        let (number, throughput, maximum) = match index {
            None => (TABLE, table.billing.throughput, table.billing.on_demand),
            Some(index) => index.map(|it| (it.number, it.throughput, it.on_demand))?,
        };
        let rate = match is_provisioned {
            true => throughput.of(direction),
            false => direction.of(maximum?)?,
        };
        Some(Share { number, index: name, rate, is_provisioned, halves })
    })
}

impl Direction {
    fn of(self, (read, write): (Option<i64>, Option<i64>)) -> Option<i64> {
        match self {
            Self::Read => read,
            Self::Write => write,
        }
    }
}

fn exceeded(table: &TableRow, share: &Share<'_>, direction: Direction) -> AwsError {
    let way = match direction {
        Direction::Read => "Read",
        Direction::Write => "Write",
    };
    let (what, text, resource) = match &share.index {
        None => (
            "Table",
            "The level of configured provisioned throughput for the table was exceeded. Consider \
             increasing your provisioning level with the UpdateTable API.",
            table.arn(),
        ),
        Some(index) => (
            "Index",
            "The level of configured provisioned throughput for one or more global secondary \
             indexes of the table was exceeded. Consider provisioning your under-provisioned \
             global secondary indexes with the UpdateTable API",
            format!("{}/index/{index}", table.arn()),
        ),
    };
    let limit = match share.is_provisioned {
        true => "ProvisionedThroughputExceeded",
        false => "MaxOnDemandThroughputExceeded",
    };
    let reason = Some(format!("{what}{way}{limit}"));
    let reason = ThrottlingReason { reason, resource: Some(resource) };
    if !share.is_provisioned {
        let text = "Throughput exceeds the maximum OnDemandThroughput configured on table or index";
        let message = Some(text.to_owned());
        return ThrottlingException { message, throttling_reasons: Some(vec![reason]) }.into();
    }
    ProvisionedThroughputExceededException {
        message: Some(text.to_owned()),
        throttling_reasons: Some(vec![reason]),
    }
    .into()
}

/// Whether a call was refused for its throughput.
pub(crate) fn is_exceeded(error: &AwsError) -> bool {
    matches!(error.name(), "ProvisionedThroughputExceededException" | "ThrottlingException")
}
