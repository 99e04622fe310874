//! The growing ends of shards: what each gave last, whether it is open, and who waits.
//!
//! All of it is found again from rows and records, so it may be forgotten at any time at which
//! nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_clock::Moment;
use haar_kv::KvError;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::records::RecordStore;
use crate::rules::bucket::Bucket;
use crate::rules::sequence::Tick;
use crate::state::{ShardKey, ShardRow};

/// Whether a shard takes records. AWS docs: *Strategies for resharding*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// On its way to be closed: who writes waits, then looks again.
    Closing,
    Closed,
}

/// What is known of a shard's end; held while records are written, so that readers see them in
/// the order of their numbers.
pub(crate) struct TipState {
    pub(crate) last: Tick,
    pub(crate) phase: Phase,
    pub(crate) written_bytes: Bucket,
    pub(crate) written_records: Bucket,
    pub(crate) reads: Bucket,
    pub(crate) read_bytes: Bucket,
}

/// One shard's end.
pub(crate) struct Tip {
    pub(crate) state: Mutex<TipState>,
    /// Changes when records were added, and when the phase has changed.
    pub(crate) grown: watch::Sender<u64>,
    /// The same for all shards of the stream.
    stream: watch::Sender<u64>,
}

/// A shard takes a MiB and a thousand records a second, and gives two in five answers. AWS
/// docs: *Quotas and limits*.
const WRITTEN_BYTES: u32 = 1 << 20;
const WRITTEN_RECORDS: u32 = 1000;
const READ_BYTES: u32 = 2 << 20;
const READS: u32 = 5;

impl Tip {
    fn new(last: Tick, phase: Phase, stream: watch::Sender<u64>, now: Moment) -> Self {
        let state = TipState {
            last,
            phase,
            written_bytes: Bucket::new(WRITTEN_BYTES, now),
            written_records: Bucket::new(WRITTEN_RECORDS, now),
            reads: Bucket::new(READS, now),
            read_bytes: Bucket::new(READ_BYTES, now),
        };
        Self { state: Mutex::new(state), grown: watch::Sender::new(0), stream }
    }

    /// Wakes who waits for the shard.
    pub(crate) fn wake(&self) {
        self.grown.send_modify(|count| *count += 1);
        self.stream.send_modify(|count| *count += 1);
    }

    /// Moves to another phase and wakes who waits.
    pub(crate) fn enter(&self, phase: Phase) {
        self.state.lock().phase = phase;
        self.wake();
    }
}

/// The ends of all shards.
#[derive(Default)]
pub(crate) struct Tips {
    tips: RwLock<BTreeMap<ShardKey, Arc<Tip>>>,
    streams: Mutex<BTreeMap<u64, watch::Sender<u64>>>,
}

impl Tips {
    /// A shard's end, found again from its records where need be.
    pub(crate) fn tip(
        &self,
        records: &RecordStore,
        shard: &ShardRow,
        now: Moment,
    ) -> Result<Arc<Tip>, KvError> {
        if let Some(tip) = self.tips.read().get(&shard.key) {
            return Ok(Arc::clone(tip));
        }
        let mut tips = self.tips.write();
        if let Some(tip) = tips.get(&shard.key) {
            return Ok(Arc::clone(tip));
        }
        let last = records.last(shard.key)?.map_or(shard.start.tick(), |last| last.tick());
        let last = shard.end.map_or(last, |end| end.tick()).max(last);
        let phase = if shard.end.is_some() { Phase::Closed } else { Phase::Open };
        let tip = Arc::new(Tip::new(last, phase, self.stream(shard.key.stream), now));
        tips.insert(shard.key, Arc::clone(&tip));
        Ok(tip)
    }

    /// What changes with any shard of a stream.
    pub(crate) fn stream(&self, stream: u64) -> watch::Sender<u64> {
        self.streams.lock().entry(stream).or_insert_with(|| watch::Sender::new(0)).clone()
    }

    /// Forgets a stream that is gone, and wakes who waits for it.
    pub(crate) fn remove(&self, stream: u64) {
        let at = |number| ShardKey { stream, number };
        self.tips.write().retain(|key, tip| {
            let stays = !(at(0)..=at(u32::MAX)).contains(key);
            if !stays {
                tip.enter(Phase::Closed);
            }
            stays
        });
        if let Some(sender) = self.streams.lock().remove(&stream) {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// Forgets all.
    pub(crate) fn forget(&self) {
        self.tips.write().clear();
        self.streams.lock().clear();
    }
}
