//! Settles streams and consumers: makes them active, changes shards, removes what is to go.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_kinesis_contract::{ConsumerStatus, StreamStatus};
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::Timestamp;

use crate::Kinesis;
use crate::rules::reshard::{Layout, Piece};
use crate::rules::sequence::{Sequence, next_tick};
use crate::state::{
    Change, ConsumerKey, ConsumerRow, ShardKey, ShardRow, StreamKey, StreamRow, consumers,
    open_shards, shards,
};
use crate::tips::{Phase, Tip};

/// The controller `kinesis.streams`.
pub struct Streams(Arc<Kinesis>);

impl Streams {
    /// The controller of a room's streams.
    pub fn new(room: Arc<Kinesis>) -> Self {
        Self(room)
    }
}

/// What is looked after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamsKey {
    /// A stream.
    Stream(StreamName),
    /// A consumer.
    Consumer(ConsumerName),
}

/// Names a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamName(pub(crate) StreamKey);

/// Names a consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerName(pub(crate) ConsumerKey);

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamsStep {
    /// Record that a stream is active.
    Activate(StreamName),
    /// Change a stream's shards, then record that it is active.
    Reshard(StreamName),
    /// Remove a stream with all that is in it.
    Remove(StreamName),
    /// Record that a consumer is active, or remove it.
    Settle(ConsumerName),
}

impl Controller for Streams {
    type Key = StreamsKey;
    type Step = StreamsStep;
    const NAME: &'static str = "kinesis.streams";

    fn keys(&self, changes: &ChangeSet) -> Vec<StreamsKey> {
        let streams = changes.keys::<StreamRow>().into_iter();
        let consumers = changes.keys::<ConsumerRow>().into_iter();
        streams
            .map(|key| StreamsKey::Stream(StreamName(key)))
            .chain(consumers.map(|key| StreamsKey::Consumer(ConsumerName(key))))
            .collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<StreamsKey> {
        let streams = snapshot.all::<StreamRow>();
        let consumers = snapshot.all::<ConsumerRow>();
        streams
            .map(|row| StreamsKey::Stream(StreamName(row.key.clone())))
            .chain(consumers.map(|row| StreamsKey::Consumer(ConsumerName(row.key.clone()))))
            .collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &StreamsKey, _now: Timestamp) -> Plan<StreamsStep> {
        match key {
            StreamsKey::Stream(name) => {
                let row = snapshot.get::<StreamRow>(&name.0);
                row.map_or_else(Plan::default, |row| plan_stream(&row))
            }
            StreamsKey::Consumer(name) => match snapshot.get::<ConsumerRow>(&name.0) {
                Some(row) if row.status != ConsumerStatus::Active => {
                    Plan::step(StreamsStep::Settle(name.clone()))
                }
                _ => Plan::default(),
            },
        }
    }

    async fn act(&self, step: StreamsStep, cx: &ActCx) -> Result<(), ActError> {
        match step {
            StreamsStep::Activate(name) => activate(cx, &name.0).await,
            StreamsStep::Reshard(name) => self.reshard(cx, &name.0).await,
            StreamsStep::Remove(name) => self.remove(cx, &name.0).await,
            StreamsStep::Settle(name) => settle(cx, &name.0).await,
        }
    }
}

fn plan_stream(row: &StreamRow) -> Plan<StreamsStep> {
    let name = StreamName(row.key.clone());
    match row.status {
        StreamStatus::Active => Plan::default(),
        StreamStatus::Creating => Plan::step(StreamsStep::Activate(name)),
        StreamStatus::Updating => Plan::step(StreamsStep::Reshard(name)),
        StreamStatus::Deleting => Plan::step(StreamsStep::Remove(name)),
    }
}

async fn activate(cx: &ActCx, key: &StreamKey) -> Result<(), ActError> {
    let committed = cx.ledger.write(|tx| {
        let row = tx.get::<StreamRow>(key);
        if row.is_some_and(|row| row.status == StreamStatus::Creating) {
            tx.update::<StreamRow>(key, |row| row.status = StreamStatus::Active);
        }
    });
    Ok(committed.durable().await?)
}

async fn settle(cx: &ActCx, key: &ConsumerKey) -> Result<(), ActError> {
    let committed = cx.ledger.write(|tx| match tx.get::<ConsumerRow>(key).map(|row| row.status) {
        Some(ConsumerStatus::Creating) => {
            tx.update::<ConsumerRow>(key, |row| row.status = ConsumerStatus::Active);
        }
        Some(ConsumerStatus::Deleting) => {
            tx.remove::<ConsumerRow>(key);
        }
        _ => {}
    });
    Ok(committed.durable().await?)
}

impl Streams {
    /// Closes the shards that go, so that nothing is written to them meanwhile, and opens those
    /// that come in the same commit.
    async fn reshard(&self, cx: &ActCx, key: &StreamKey) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(stream) = snapshot.get::<StreamRow>(key) else { return Ok(()) };
        let Some(change) = stream.change.clone() else { return Ok(()) };
        let layout = lay_out(&snapshot, &stream, &change);
        let tips = self.hold(&snapshot, &stream, &layout).map_err(ActError::transient)?;
        let now = cx.clock.now();
        let last = tips.iter().map(|(number, tip)| (*number, tip.state.lock().last)).collect();
        let committed = cx.ledger.write(|tx| record(tx, key, &change, &layout, &last, now));
        let written = committed.durable().await;
        let phase = if written.is_ok() { Phase::Closed } else { Phase::Open };
        for (_, tip) in tips {
            tip.enter(phase);
        }
        Ok(written?)
    }

    /// Lets nothing more be written to the shards that go.
    fn hold(
        &self,
        snapshot: &Snapshot,
        stream: &StreamRow,
        layout: &Layout,
    ) -> Result<Vec<(u32, Arc<Tip>)>, haar_kv::KvError> {
        let room = &self.0;
        let mut held = Vec::new();
        for shard in open_shards(snapshot, stream) {
            if !layout.closed.contains(&shard.key.number) {
                continue;
            }
            let tip = room.tips.tip(&room.records, &shard, room.doors.clock.moment())?;
            tip.enter(Phase::Closing);
            held.push((shard.key.number, tip));
        }
        Ok(held)
    }

    /// Lets nothing more be written, not even by who found the stream active before: while a shard's
    /// row is there its end stays closed.
    async fn remove(&self, cx: &ActCx, key: &StreamKey) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(stream) = snapshot.get::<StreamRow>(key) else { return Ok(()) };
        for shard in open_shards(&snapshot, &stream) {
            let tip = self.0.tips.tip(&self.0.records, &shard, cx.clock.moment());
            tip.map_err(ActError::transient)?.enter(Phase::Closed);
        }
        self.0.records.purge(stream.id).await.map_err(ActError::transient)?;
        let committed = cx.ledger.write(|tx| {
            let consumers: Vec<_> = consumers(tx, key).map(|row| row.key.clone()).collect();
            let shards: Vec<_> = shards(tx, &stream).map(|row| row.key).collect();
            for key in consumers {
                tx.remove::<ConsumerRow>(&key);
            }
            for key in shards {
                tx.remove::<ShardRow>(&key);
            }
            tx.remove::<StreamRow>(key);
        });
        self.0.tips.remove(stream.id);
        Ok(committed.durable().await?)
    }
}

fn lay_out(snapshot: &Snapshot, stream: &StreamRow, change: &Change) -> Layout {
    let open = open_shards(snapshot, stream).map(|shard| Piece {
        number: shard.key.number,
        hash_keys: shard.hash_keys,
        parents: shard.parents.clone(),
        is_open: true,
    });
    let mut layout = Layout::new(open.collect(), stream.next_shard);
    layout.apply(change);
    layout
}

/// Writes a layout into the rows. Ticks ascend: each shard that comes begins behind the ends of
/// those that it came from.
fn record(
    tx: &mut Tx,
    key: &StreamKey,
    change: &Change,
    layout: &Layout,
    last: &BTreeMap<u32, u128>,
    now: Timestamp,
) {
    let Some(stream) = tx.get::<StreamRow>(key) else { return };
    if stream.change.as_ref() != Some(change) {
        return;
    }
    let mut tick = last.values().copied().max().unwrap_or(0);
    for piece in layout.pieces.iter().filter(|piece| piece.number >= stream.next_shard) {
        tick = next_tick(tick, now);
        tx.put(ShardRow {
            key: ShardKey { stream: stream.id, number: piece.number },
            hash_keys: piece.hash_keys,
            parents: piece.parents.clone(),
            start: Sequence::new(next_tick(tick, now), piece.number),
            end: None,
            created_at: now,
            closed_at: None,
        });
    }
    // What was opened on the way is closed behind its beginning and before its children's.
    for number in &layout.closed {
        let key = ShardKey { stream: stream.id, number: *number };
        tx.update::<ShardRow>(&key, |row| {
            let last = last.get(number).copied().unwrap_or(row.start.tick());
            row.end = Some(Sequence::new(last.max(row.start.tick()), *number));
            row.closed_at = Some(now);
        });
    }
    let made = layout.pieces.iter().map(|piece| piece.number + 1).max().unwrap_or(0);
    tx.put(StreamRow {
        status: StreamStatus::Active,
        change: None,
        next_shard: made.max(stream.next_shard),
        ..StreamRow::clone(&stream)
    });
}
