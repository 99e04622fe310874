//! One queue at work: its index behind a lock, and who waits for its messages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use haar_kv::KvError;
use haar_types::Timestamp;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::dedup::Dedup;
use super::index::Index;
use super::record::Record;
use super::store::Store;

/// A queue's messages.
pub(crate) struct Queue {
    pub(crate) id: u64,
    pub(crate) is_fifo: bool,
    /// Read from disk when first needed.
    core: Mutex<Option<Core>>,
    /// A message came, or is due earlier than any before.
    pub(crate) arrived: Notify,
    closed: AtomicBool,
    read: AtomicBool,
}

/// What its lock is for.
pub(crate) struct Core {
    pub(crate) index: Index,
    pub(crate) dedup: Dedup,
    /// Receives of FIFO queues that may be asked again, by `ReceiveRequestAttemptId`.
    pub(crate) attempts: BTreeMap<String, Attempt>,
    /// The last message that a purge has taken.
    pub(crate) purged_to: u64,
    /// What was done to it did not reach the disk: it is read anew before it is used.
    is_spoiled: bool,
}

/// What one receive handed out.
pub(crate) struct Attempt {
    pub(crate) until: Timestamp,
    /// Messages' places and deliveries.
    pub(crate) deliveries: Vec<(u64, u64)>,
}

impl Queue {
    /// A queue that has not been read yet.
    pub(crate) fn new(id: u64, is_fifo: bool) -> Self {
        let (closed, read) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { id, is_fifo, core: Mutex::new(None), arrived: Notify::new(), closed, read }
    }

    /// Locks the queue, reading it first when need be.
    pub(crate) fn lock(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<MappedMutexGuard<'_, Core>, KvError> {
        let mut core = self.core.lock();
        if core.as_ref().is_none_or(|core| core.is_spoiled) {
            *core = Some(self.load(store, now)?);
            self.read.store(true, Ordering::Release);
        }
        Ok(MutexGuard::map(core, |core| core.as_mut().expect("just read")))
    }

    /// Undoes what was done to messages, by their records of before, where a full disk refused it.
    /// After any other failure nobody knows what is on disk: see [`Self::forget`].
    pub(crate) fn undo(
        &self,
        mut held: MappedMutexGuard<'_, Core>,
        error: &KvError,
        before: Vec<(u64, Record)>,
        now: Timestamp,
    ) {
        match error {
            KvError::Full(_) => held.index.put_back(before, now),
            _ => self.forget(held),
        }
    }

    /// Has the queue read anew when it is needed next: what was done to it did not reach the disk.
    pub(crate) fn forget(&self, mut held: MappedMutexGuard<'_, Core>) {
        held.is_spoiled = true;
        self.read.store(false, Ordering::Release);
    }

    fn load(&self, store: &Store, now: Timestamp) -> Result<Core, KvError> {
        let (mut index, mut dedup) = (Index::new(self.is_fifo), Dedup::default());
        for (sequence, record) in store.records(self.id)? {
            index.insert(sequence, record, now);
        }
        for (key, seen) in store.seen(self.id)? {
            dedup.add(key, seen);
        }
        let purged_to = store.purged_to(self.id)?;
        Ok(Core { index, dedup, attempts: BTreeMap::new(), purged_to, is_spoiled: false })
    }

    /// Whether it was read from disk, so that its lock is had soon.
    pub(crate) fn is_read(&self) -> bool {
        self.read.load(Ordering::Acquire)
    }

    /// Nobody waits any longer: the queue is gone.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }

    /// Whether it is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
