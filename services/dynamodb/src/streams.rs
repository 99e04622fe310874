//! Records of tables' streams: numbered as they are written, read by DynamoDB Streams' room.
//!
//! **Invariant:** records become readable in the order of their numbers, since a stream's lock
//! is held from the drawing of a number until its batch is written.

mod event;
mod peek;
mod shards;

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_dynamodb_contract::peek::Sequence;
use haar_kv::{Keyspace, Kv, KvError};
use haar_types::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use event::Event;
pub(crate) use peek::Peek;
pub(crate) use shards::{KEPT_FOR, first_of, last_of};
use shards::{SHARD_OPEN_FOR, Start};

use crate::engine::{Engine, Staging};

/// All streams of this haar.
pub(crate) struct Streams {
    /// Stream's id, number -> record.
    pub(crate) records: Keyspace,
    /// Stream's id, first number -> when the shard was opened. The first shard is not here: it
    /// is as old as its stream.
    pub(crate) shards: Keyspace,
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
}

/// A stream that was written or watched since haar came up.
struct Open {
    head: Mutex<Head>,
    grown: watch::Sender<Sequence>,
}

/// Where a stream goes on.
struct Head {
    /// The newest record's number.
    last: Sequence,
    /// The open shard.
    shard: Start,
}

impl Streams {
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self {
            records: kv.keyspace("dynamodb.record")?,
            shards: kv.keyspace("dynamodb.shard")?,
            open: Mutex::new(BTreeMap::new()),
        })
    }

    /// Numbers events, writes them with all else that is staged, and wakes who waits.
    pub(crate) fn commit(
        &self,
        events: Vec<Event>,
        now: Timestamp,
        mut staging: Staging,
        engine: &Engine,
    ) -> Result<(), KvError> {
        let mut streams = BTreeMap::new();
        for event in &events {
            streams.insert(event.stream, self.opened(event.stream, event.created_at)?);
        }
        let mut heads: BTreeMap<u64, _> =
            streams.iter().map(|(id, stream)| (*id, stream.head.lock())).collect();
        for event in events {
            let Some(head) = heads.get_mut(&event.stream) else { continue };
            let sequence = head.next(now);
            let place =
                |number: Sequence| [event.stream.to_be_bytes(), number.to_be_bytes()].concat();
            if now >= head.shard.opened_at + SHARD_OPEN_FOR {
                head.shard = Start { first: sequence, opened_at: now };
                staging.batch.put(&self.shards, place(sequence), now.0.to_be_bytes().to_vec());
            }
            staging.batch.put(&self.records, place(sequence), event.bytes);
        }
        staging.apply(engine)?;
        for (id, head) in &heads {
            if let Some(stream) = streams.get(id) {
                stream.grown.send_replace(head.last);
            }
        }
        Ok(())
    }

    /// A stream's state in memory, as kv has it.
    fn opened(&self, id: u64, created_at: Timestamp) -> Result<Arc<Open>, KvError> {
        let mut open = self.open.lock();
        if let Some(stream) = open.get(&id) {
            return Ok(Arc::clone(stream));
        }
        let last = self.records.prefix(id.to_be_bytes()).next_back().transpose()?;
        let last = last.and_then(|entry| number_of(&entry.key)).unwrap_or(0);
        let shard = shards::starts(self, id, created_at)?.pop();
        let shard = shard.unwrap_or(Start { first: first_of(created_at), opened_at: created_at });
        let head = Mutex::new(Head { last, shard });
        let stream = Arc::new(Open { head, grown: watch::Sender::new(last) });
        open.insert(id, Arc::clone(&stream));
        Ok(stream)
    }

    /// Tells readers that something about a stream has changed.
    pub(crate) fn tell(&self, id: u64) {
        if let Some(stream) = self.open.lock().get(&id) {
            stream.grown.send_modify(|_| ());
        }
    }

    /// Removes what is older than 24 hours: records, and shards whose end is.
    pub(crate) async fn trim(
        &self,
        id: u64,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), KvError> {
        let horizon = first_of(now - KEPT_FOR);
        let place = |number: Sequence| [id.to_be_bytes(), number.to_be_bytes()].concat();
        self.records.clear_range(place(0)..place(horizon)).await?;
        let starts = shards::starts(self, id, created_at)?;
        for pair in starts.windows(2) {
            if pair[1].first <= horizon {
                self.shards.remove(place(pair[0].first))?;
            }
        }
        Ok(())
    }

    /// Removes a stream with all its records.
    pub(crate) async fn purge(&self, id: u64) -> Result<(), KvError> {
        self.records.clear_prefix(id.to_be_bytes()).await?;
        self.shards.clear_prefix(id.to_be_bytes()).await?;
        self.open.lock().remove(&id);
        Ok(())
    }

    /// Forgets what is in memory, before a reset.
    pub(crate) fn forget(&self) {
        self.open.lock().clear();
    }
}

impl Head {
    /// Ascends with time, never twice the same, also when older records are gone.
    fn next(&mut self, now: Timestamp) -> Sequence {
        self.last = (self.last + 1).max(first_of(now));
        self.last
    }
}

fn number_of(key: &[u8]) -> Option<Sequence> {
    Some(u64::from_be_bytes(*key.last_chunk::<8>()?))
}
