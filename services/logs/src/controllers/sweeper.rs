//! Removes events that are past their group's retention, and those of groups and streams that
//! are gone.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan, TimeOf};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::events::StreamId;
use crate::fault::Fault;
use crate::rules::position::floor_to;
use crate::sink::Sink;
use crate::state::{GarbageRow, GroupKey, GroupRow, StreamKey, StreamRow};

/// How late an expired event may be removed. AWS takes up to 72 hours.
const ROUND: Duration = Duration::from_secs(6 * 3600);

/// The controller `logs.sweeper`.
pub struct Sweeper(pub(crate) Arc<Sink>);

/// What the sweeper looks after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SweepKey {
    /// A group's expired events.
    Group(GroupName),
    /// What is left of a group or stream: ids of both.
    Garbage(u64, Option<u64>),
}

/// Names a log group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName(pub(crate) GroupKey);

/// One deed of the sweeper.
#[derive(Debug, PartialEq, Eq)]
pub enum SweepStep {
    /// Remove a group's events before a time.
    Expire(GroupName, Timestamp),
    /// Remove all events of a group, or of one of its streams.
    Purge(u64, Option<u64>),
}

impl Controller for Sweeper {
    type Key = SweepKey;
    type Step = SweepStep;

    const NAME: &'static str = "logs.sweeper";
    const TIME: TimeOf = TimeOf::CloudInPassing;
    const CONCURRENCY: usize = 1;

    fn keys(&self, changes: &ChangeSet) -> Vec<SweepKey> {
        let groups = changes.keys::<GroupRow>().into_iter().map(group_key);
        let garbage = changes.keys::<GarbageRow>().into_iter();
        groups.chain(garbage.map(|(group, stream)| SweepKey::Garbage(group, stream))).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<SweepKey> {
        let groups = snapshot.all::<GroupRow>().map(|row| group_key(row.key.clone()));
        let garbage = snapshot.all::<GarbageRow>();
        groups.chain(garbage.map(|row| SweepKey::Garbage(row.group_id, row.stream_id))).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &SweepKey, now: Timestamp) -> Plan<SweepStep> {
        match key {
            SweepKey::Group(name) => {
                let row = snapshot.get::<GroupRow>(&name.0);
                row.map_or_else(Plan::default, |row| plan_group(&row, now))
            }
            SweepKey::Garbage(group, stream) => {
                let row = snapshot.get::<GarbageRow>(&(*group, *stream));
                row.map_or_else(Plan::default, |_| Plan::step(SweepStep::Purge(*group, *stream)))
            }
        }
    }

    async fn act(&self, step: SweepStep, cx: &ActCx) -> Result<(), ActError> {
        match step {
            SweepStep::Expire(group, before) => {
                self.expire(&group.0, before, cx).await.map_err(ActError::transient)
            }
            SweepStep::Purge(group, stream) => {
                self.0.events.purge(group, stream).map_err(ActError::transient)?;
                let committed = cx.ledger.transact(|tx| {
                    tx.remove::<GarbageRow>(&(group, stream));
                    Ok::<_, ActError>(())
                })?;
                Ok(committed.durable().await?)
            }
        }
    }
}

fn group_key(key: GroupKey) -> SweepKey {
    SweepKey::Group(GroupName(key))
}

/// Reads a group and the time, answers which events must go. Rounds lie on the clock.
fn plan_group(group: &GroupRow, now: Timestamp) -> Plan<SweepStep> {
    let Some(retention) = group.retention() else { return Plan::default() };
    let before = floor_to(now - retention, ROUND);
    let wake_at = before + ROUND + retention;
    let name = GroupName(group.key.clone());
    if before <= group.expired_before {
        return Plan::default().wake_at(wake_at);
    }
    Plan::step(SweepStep::Expire(name, before)).wake_at(wake_at)
}

/// Which of the events that were to go must still go: keeping may have been prolonged meanwhile.
fn still_due(group: &GroupRow, before: Timestamp, now: Timestamp) -> Option<Timestamp> {
    Some(before.min(floor_to(now - group.retention()?, ROUND)))
}

impl Sweeper {
    async fn expire(&self, key: &GroupKey, before: Timestamp, cx: &ActCx) -> Result<(), Fault> {
        let snapshot = cx.ledger.snapshot();
        let Some(group) = snapshot.get::<GroupRow>(key) else { return Ok(()) };
        let Some(before) = still_due(&group, before, cx.clock.now()) else { return Ok(()) };
        let mut swept: Vec<(StreamKey, u64, Option<Timestamp>)> = Vec::new();
        for stream in crate::state::streams_of(&snapshot, key) {
            if stream.first_event_at.is_some_and(|first| first >= before) {
                continue;
            }
            let id = StreamId { group: group.id, stream: stream.id };
            let bytes = self.0.events.expire(id, before)?;
            let first = self.0.events.range(id, ..).next().transpose()?;
            let first = first.map(|event| event.position.timestamp);
            swept.push((stream.key.clone(), bytes, first));
        }
        let committed = cx.ledger.transact(|tx| {
            for (stream, bytes, first) in swept {
                let Some(row) = tx.get::<StreamRow>(&stream) else { continue };
                let mut row = (*row).clone();
                row.stored_bytes = row.stored_bytes.saturating_sub(bytes);
                row.first_event_at = first;
                tx.put(row);
            }
            let current = tx.get::<GroupRow>(key).filter(|row| row.id == group.id);
            if let Some(row) = current {
                tx.put(GroupRow {
                    expired_before: before.max(row.expired_before),
                    ..(*row).clone()
                });
            }
            Ok::<_, Fault>(())
        })?;
        Ok(committed.durable().await?)
    }
}

#[cfg(test)]
mod tests {
    use haar_types::{AccountId, Region};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_group_is_swept_at_the_end_of_each_round() {
        let key = GroupKey::new(&AccountId::default(), &Region::default(), "g");
        let mut row = GroupRow::new(key.clone(), 1, Timestamp(0));
        let noon = Timestamp(0) + 20_000 * DAY + 2 * ROUND;
        assert_eq!(plan_group(&row, noon), Plan::default());

        row.retention_in_days = Some(3);
        let step = SweepStep::Expire(GroupName(key), noon - 3 * DAY);
        assert_eq!(plan_group(&row, noon + ROUND / 2), Plan::step(step).wake_at(noon + ROUND));

        let before = noon - 3 * DAY;
        assert_eq!(still_due(&row, before, noon + ROUND), Some(before));
        row.retention_in_days = Some(5);
        assert_eq!(still_due(&row, before, noon + ROUND / 2), Some(noon - 5 * DAY));
        row.retention_in_days = None;
        assert_eq!(still_due(&row, before, noon), None);

        row.retention_in_days = Some(3);
        row.expired_before = noon - 3 * DAY;
        assert_eq!(plan_group(&row, noon + ROUND / 2), Plan::default().wake_at(noon + ROUND));
    }
}
