//! Removes records that are past their stream's retention, and closed shards whose records are.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan, TimeOf};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use super::streams::StreamName;
use crate::Kinesis;
use crate::rules::sequence::Sequence;
use crate::state::{ShardKey, ShardRow, StreamRow, shards};

/// How often a stream is swept; readers pass over what is expired meanwhile.
const ROUND: Duration = Duration::from_secs(3600);

/// The controller `kinesis.sweeper`.
pub struct Sweeper(Arc<Kinesis>);

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepStep {
    /// Remove what is older than that.
    Trim(StreamName, Timestamp),
}

impl Sweeper {
    /// The controller of a room's expired records.
    pub fn new(room: Arc<Kinesis>) -> Self {
        Self(room)
    }
}

impl Controller for Sweeper {
    type Key = StreamName;
    type Step = SweepStep;
    const NAME: &'static str = "kinesis.sweeper";
    const TIME: TimeOf = TimeOf::CloudInPassing;
    const CONCURRENCY: usize = 1;

    fn keys(&self, changes: &ChangeSet) -> Vec<StreamName> {
        // A shorter retention shows at once; the rest waits for its hour.
        let rows = changes.rows::<StreamRow>();
        rows.filter_map(|(_, new)| new).map(|row| StreamName(row.key.clone())).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<StreamName> {
        snapshot.all::<StreamRow>().map(|row| StreamName(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &StreamName, now: Timestamp) -> Plan<SweepStep> {
        match snapshot.get::<StreamRow>(&key.0) {
            None => Plan::default(),
            Some(row) => plan_stream(&row, now),
        }
    }

    async fn act(&self, step: SweepStep, cx: &ActCx) -> Result<(), ActError> {
        let SweepStep::Trim(name, before) = step;
        let snapshot = cx.ledger.snapshot();
        let Some(stream) = snapshot.get::<StreamRow>(&name.0) else { return Ok(()) };
        // keeping may have been prolonged since this was planned
        let before = before.min(cx.clock.now() - stream.retention());
        let mut expired: Vec<ShardKey> = Vec::new();
        for shard in shards(&snapshot, &stream) {
            let first = Sequence::at(before, shard.key.number);
            self.0.records.trim(shard.key, first).await.map_err(ActError::transient)?;
            if shard.closed_at.is_some_and(|closed| closed <= before) {
                expired.push(shard.key);
            }
        }
        if expired.is_empty() {
            return Ok(());
        }
        let committed = cx.ledger.write(|tx| {
            for key in &expired {
                tx.remove::<ShardRow>(key);
            }
        });
        self.0.tips.remove_shards(&expired);
        Ok(committed.durable().await?)
    }
}

/// Rounds lie on the clock. Before anything can have expired there is nothing to do.
fn plan_stream(row: &StreamRow, now: Timestamp) -> Plan<SweepStep> {
    let round = i64::try_from(ROUND.as_millis()).unwrap_or(i64::MAX);
    let next = Timestamp(now.0 - now.0.rem_euclid(round)) + ROUND;
    let before = now - row.retention();
    if before <= row.created_at {
        return Plan::default().wake_at(next.max(row.created_at + row.retention()));
    }
    Plan::step(SweepStep::Trim(StreamName(row.key.clone()), before)).wake_at(next)
}
