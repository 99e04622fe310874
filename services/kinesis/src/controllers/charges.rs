//! The bill of what is kept ready: shards, on-demand streams, consumers, longer retention. Each
//! hour is charged when it begins. While haar is down nothing is charged (*Ours*).

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_kinesis_contract::{StreamMode, StreamStatus};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use super::streams::StreamName;
use crate::Kinesis;
use crate::rules::retention::HOURS_MIN;
use crate::state::{StreamRow, consumers, open_shards};

const HOUR: Duration = Duration::from_secs(3600);

/// The controller `kinesis.charges`.
pub struct Charges(Arc<Kinesis>);

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeStep {
    /// Charge the hour that begins at this time.
    Charge(StreamName, Timestamp),
}

impl Charges {
    /// The controller of a room's charges.
    pub fn new(room: Arc<Kinesis>) -> Self {
        Self(room)
    }
}

impl Controller for Charges {
    type Key = StreamName;
    type Step = ChargeStep;
    const NAME: &'static str = "kinesis.charges";

    fn keys(&self, changes: &ChangeSet) -> Vec<StreamName> {
        let rows = changes.rows::<StreamRow>();
        rows.filter_map(|(_, new)| new).map(|row| StreamName(row.key.clone())).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<StreamName> {
        snapshot.all::<StreamRow>().map(|row| StreamName(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &StreamName, now: Timestamp) -> Plan<ChargeStep> {
        let row = snapshot.get::<StreamRow>(&key.0);
        let row = row.filter(|row| row.status != StreamStatus::Deleting);
        match row.map(|row| row.charged_until.unwrap_or(row.created_at)) {
            None => Plan::default(),
            Some(due) if due <= now => Plan::step(ChargeStep::Charge(key.clone(), due)),
            Some(due) => Plan::default().wake_at(due),
        }
    }

    async fn act(&self, step: ChargeStep, cx: &ActCx) -> Result<(), ActError> {
        let ChargeStep::Charge(name, from) = step;
        let now = cx.clock.now();
        let committed = cx.ledger.write(|tx| {
            let row = tx.get::<StreamRow>(&name.0)?;
            if row.charged_until.unwrap_or(row.created_at) != from {
                return None;
            }
            let begin = if now > from + HOUR { now } else { from };
            let charged_until = Some(begin + HOUR);
            tx.put(StreamRow { charged_until, ..StreamRow::clone(&row) });
            let shards = open_shards(tx, &row).count() as u64;
            let consumers = consumers(tx, &row.key).count() as u64;
            Some((row, shards, consumers))
        });
        if let Some((row, shards, consumers)) = committed.durable().await? {
            self.0.bill(&row, quantities(&row, shards, consumers), now);
        }
        Ok(())
    }
}

fn quantities(row: &StreamRow, shards: u64, consumers: u64) -> Vec<(&'static str, u64)> {
    let hour = HOUR.as_secs();
    let mut all = match row.mode {
        StreamMode::Provisioned => vec![("shard-s", shards * hour)],
        StreamMode::OnDemand => vec![("stream-s/on-demand", hour)],
    };
    if consumers > 0 && row.mode == StreamMode::Provisioned {
        all.push(("consumer-shard-s", shards * consumers * hour));
    }
    if row.retention_hours > HOURS_MIN && row.mode == StreamMode::Provisioned {
        all.push(("extended-retention-shard-s", shards * hour));
    }
    all
}
