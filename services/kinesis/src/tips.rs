//! The growing ends of shards: what each gave last, whether it is open, and who waits.
//!
//! All of it is found again from rows and records, so it may be forgotten at any time at which
//! nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_clock::Moment;
use haar_kv::KvError;
use haar_ledger::Ledger;
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

/// The ends of all shards. What is not in the ledger is not kept.
pub(crate) struct Tips {
    ledger: Ledger,
    tips: RwLock<BTreeMap<ShardKey, Arc<Tip>>>,
    streams: Mutex<BTreeMap<u64, watch::Sender<u64>>>,
}

impl Tips {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, tips: RwLock::default(), streams: Mutex::default() }
    }

    /// A shard's end, found again from its records where need be; a closed one when the shard
    /// is gone.
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
        // Read while `tips` is held: who removes the row removes the tip after it.
        if self.ledger.snapshot().get::<ShardRow>(&shard.key).is_none() {
            let stream = watch::Sender::new(0);
            return Ok(Arc::new(Tip::new(shard.start.tick(), Phase::Closed, stream, now)));
        }
        let last = records.last(shard.key)?.map_or(shard.start.tick(), |last| last.tick());
        let last = shard.end.map_or(last, |end| end.tick()).max(last);
        let phase = if shard.end.is_some() { Phase::Closed } else { Phase::Open };
        let tip = Arc::new(Tip::new(last, phase, self.stream(shard.key.stream), now));
        tips.insert(shard.key, Arc::clone(&tip));
        Ok(tip)
    }

    /// What changes with any shard of a stream; `None` once `is_there` no longer says so.
    pub(crate) fn growth(
        &self,
        stream: u64,
        is_there: impl Fn() -> bool,
    ) -> Option<watch::Receiver<u64>> {
        let mut streams = self.streams.lock();
        // Read while `streams` is held, as for a tip.
        is_there().then(|| stream_in(&mut streams, stream).subscribe())
    }

    fn stream(&self, stream: u64) -> watch::Sender<u64> {
        stream_in(&mut self.streams.lock(), stream).clone()
    }

    /// Forgets a stream whose rows are gone, and wakes who waits for it.
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

    /// Forgets shards whose rows are gone: they were closed long ago.
    pub(crate) fn remove_shards(&self, shards: &[ShardKey]) {
        let mut tips = self.tips.write();
        for shard in shards {
            tips.remove(shard);
        }
    }

    /// Forgets all.
    pub(crate) fn forget(&self) {
        self.tips.write().clear();
        self.streams.lock().clear();
    }
}

fn stream_in(streams: &mut BTreeMap<u64, watch::Sender<u64>>, stream: u64) -> &watch::Sender<u64> {
    streams.entry(stream).or_insert_with(|| watch::Sender::new(0))
}
