//! Queues at work: sends, receives, deletes. Messages are on disk before a sender hears of it.
//!
//! **Invariant:** what is in a queue's index is in the store, with the same record but for what
//! a crash of the machine takes of receives. **Invariant:** a lock is held over no await, and
//! never two queues' locks at once.

mod clean;
mod dedup;
mod groups;
mod index;
mod queue;
mod record;
mod store;
mod take;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haar_clock::{Clock, IdSource};
use haar_kv::{Batch, Kv, KvError};
use haar_types::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use clean::Trash;
use dedup::{Seen, WINDOW};
use store::Store;

pub(crate) use index::Counts;
pub(crate) use queue::Queue;
pub(crate) use record::{Content, Delivered, Outgoing, Record, Sent};
pub(crate) use take::{Dead, Take};

/// Milliseconds are shifted by so many bits to make a sequence number.
const SEQUENCE_SHIFT: u32 = 20;

/// Longest delivery, from its receive on.
const DELIVERY_MAX: Duration = Duration::from_secs(12 * 3600);

/// All queues' messages.
pub(crate) struct Engine {
    pub(crate) clock: Clock,
    ids: IdSource,
    store: Store,
    queues: RwLock<BTreeMap<u64, Arc<Queue>>>,
    last_sequence: AtomicU64,
    /// A message may have to be removed for its age earlier than any before.
    pub(crate) aged: Notify,
    /// Something is to be removed from disk, and perhaps from memory.
    pub(crate) soiled: Notify,
    trash: Mutex<Trash>,
}

/// How an attempt to end a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// As asked.
    Done,
    /// The message was delivered anew since.
    Outdated,
    /// It is no longer with a consumer.
    NotInFlight,
    /// No such message.
    Gone,
    /// No delivery lasts as long.
    TooLong,
}

impl Engine {
    /// Opens the messages in `kv`.
    pub(crate) fn open(kv: &Kv, clock: Clock, ids: IdSource) -> Result<Self, KvError> {
        let store = Store::open(kv)?;
        let last_sequence = AtomicU64::new(store.last_sequence()?);
        Ok(Self {
            clock,
            ids,
            store,
            queues: RwLock::default(),
            last_sequence,
            aged: Notify::new(),
            soiled: Notify::new(),
            trash: Mutex::default(),
        })
    }

    /// A queue at work, by its incarnation.
    pub(crate) fn queue(&self, id: u64, is_fifo: bool) -> Arc<Queue> {
        if let Some(queue) = self.queues.read().get(&id) {
            return Arc::clone(queue);
        }
        let mut queues = self.queues.write();
        Arc::clone(queues.entry(id).or_insert_with(|| Arc::new(Queue::new(id, is_fifo))))
    }

    /// Has a queue read, aside: there is no saying how long it is. What comes of it may be locked
    /// by anybody at any time.
    pub(crate) async fn ready(&self, queue: &Arc<Queue>) -> Result<(), KvError> {
        if queue.is_read() {
            return Ok(());
        }
        let (queue, store, now) = (Arc::clone(queue), self.store.clone(), self.clock.now());
        self.store.aside(move || queue.lock(&store, now).map(drop)).await
    }

    /// Puts messages into a queue, those aside that came before. Not on disk until
    /// [`Self::sync`].
    pub(crate) fn send(
        &self,
        queue: &Queue,
        messages: Vec<Outgoing>,
        now: Timestamp,
    ) -> Result<Vec<Sent>, KvError> {
        let (mut batch, mut sent, mut fresh) = (Batch::new(), Vec::new(), Vec::new());
        let mut remembered: BTreeMap<String, Seen> = BTreeMap::new();
        let mut core = queue.lock(&self.store, now)?;
        for key in core.dedup.forget(now) {
            self.store.remember(&mut batch, queue.id, &key, None);
        }
        for message in messages {
            let before = message.dedup_key.as_ref().and_then(|key| {
                let of_this_call = remembered.get(key).map(|seen| &seen.sent);
                of_this_call.or_else(|| core.dedup.get(key, now))
            });
            if let Some(before) = before {
                sent.push(before.clone());
                continue;
            }
            let Outgoing { content, due_at, group, dedup_key } = message;
            let sequence = self.next_sequence(now);
            let record = Record {
                sent_at: now,
                due_at,
                receive_count: 0,
                first_received_at: Timestamp(0),
                received_at: Timestamp(0),
                delivery: 0,
                group,
            };
            self.store.put(&mut batch, (queue.id, sequence), &record, &content);
            let told = Sent { message_id: content.message_id, sequence };
            if let Some(key) = dedup_key {
                let seen = Seen { until: now + WINDOW, sent: told.clone() };
                self.store.remember(&mut batch, queue.id, &key, Some(&seen));
                remembered.insert(key, seen);
            }
            sent.push(told);
            fresh.push((sequence, record));
        }
        self.store.stage(batch)?; // whoever receives it writes that down, behind it
        for (key, seen) in remembered {
            core.dedup.add(key, seen); // not before: what the disk refused was not sent
        }
        let (count, was_empty) = (fresh.len(), core.index.oldest().is_none());
        for (sequence, record) in fresh {
            core.index.insert(sequence, record, now);
        }
        drop(core);
        self.tell(queue, count, was_empty);
        Ok(sent)
    }

    /// Puts a message of another queue into this one, whose place on disk is taken already.
    fn adopt(&self, queue: &Queue, sequence: u64, record: Record) -> Result<(), KvError> {
        let now = self.clock.now();
        let mut core = queue.lock(&self.store, now)?;
        if sequence <= core.purged_to {
            let mut batch = Batch::new(); // it came before the purge
            self.store.remove(&mut batch, queue.id, sequence);
            return self.store.apply(batch);
        }
        core.index.insert(sequence, record, now);
        drop(core);
        self.tell(queue, 1, true);
        Ok(())
    }

    fn tell(&self, queue: &Queue, count: usize, was_empty: bool) {
        for _ in 0..count.min(16) {
            queue.arrived.notify_one();
        }
        if was_empty {
            self.aged.notify_one();
        }
    }

    /// Waits until all that was done is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        self.store.sync().await
    }

    /// Removes a delivered message. Not on disk until [`Self::sync`].
    pub(crate) fn delete(
        &self,
        queue: &Queue,
        sequence: u64,
        delivery: u64,
    ) -> Result<Touched, KvError> {
        let now = self.clock.now();
        let mut core = queue.lock(&self.store, now)?;
        core.index.promote(now);
        let Some(record) = core.index.get(sequence) else { return Ok(Touched::Gone) };
        if record.delivery != delivery {
            return Ok(Touched::Outdated);
        }
        if queue.is_fifo && !core.index.is_in_flight(sequence, delivery) {
            return Ok(Touched::NotInFlight);
        }
        let mut batch = Batch::new();
        self.store.remove(&mut batch, queue.id, sequence);
        self.store.stage(batch)?; // whoever receives what it held back writes behind it
        core.index.remove(sequence);
        let has_ready = queue.is_fifo && core.index.has_ready();
        drop(core);
        if has_ready {
            queue.arrived.notify_one(); // its group may be open again
        }
        Ok(Touched::Done)
    }

    /// Lets a delivery end at another time, `visibility_seconds` from now.
    pub(crate) fn change(
        &self,
        queue: &Queue,
        (sequence, delivery): (u64, u64),
        due_at: Timestamp,
    ) -> Result<Touched, KvError> {
        let now = self.clock.now();
        let mut core = queue.lock(&self.store, now)?;
        core.index.promote(now);
        match core.index.get(sequence) {
            None => return Ok(Touched::Gone),
            Some(record) if record.delivery != delivery => return Ok(Touched::Outdated),
            Some(_) if !core.index.is_in_flight(sequence, delivery) => {
                return Ok(Touched::NotInFlight);
            }
            Some(record) if due_at > record.received_at + DELIVERY_MAX => {
                return Ok(Touched::TooLong);
            }
            Some(_) => {}
        }
        let before = core.index.get(sequence).map(|record| (sequence, record.clone()));
        if let Some(record) = core.index.reschedule(sequence, due_at, now) {
            let mut batch = Batch::new();
            self.store.update(&mut batch, queue.id, sequence, &record);
            if let Err(error) = self.store.apply_to_empty(batch) {
                queue.undo(core, &error, before.into_iter().collect(), now);
                return Err(error);
            }
        }
        drop(core);
        queue.arrived.notify_one();
        Ok(Touched::Done)
    }

    /// How many messages are where, and when the oldest was sent.
    pub(crate) fn counts(&self, queue: &Queue) -> Result<(Counts, Option<Timestamp>), KvError> {
        let now = self.clock.now();
        let mut core = queue.lock(&self.store, now)?;
        core.index.promote(now);
        Ok((core.index.counts(), core.index.oldest()))
    }

    /// What does not change of a message; `None` when it was removed meanwhile.
    pub(crate) fn content(&self, queue: &Queue, sequence: u64) -> Result<Option<Content>, KvError> {
        self.store.content(queue.id, sequence)
    }

    /// Forgets all queues, for a reset.
    pub(crate) fn forget(&self) {
        let queues = std::mem::take(&mut *self.queues.write());
        queues.values().for_each(|queue| queue.close());
    }

    /// Ascends, never twice the same, also across restarts and whatever the clock does: the
    /// millisecond, then a count.
    fn next_sequence(&self, now: Timestamp) -> u64 {
        let least = u64::try_from(now.0).unwrap_or(0) << SEQUENCE_SHIFT;
        let next = |last: u64| Some((last + 1).max(least));
        let last = self.last_sequence.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        last.map_or(least, |last| (last + 1).max(least))
    }
}
