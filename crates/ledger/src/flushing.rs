//! How commits come to the disk: they are staged in the store by whoever finds it free, a chunk at
//! a time, and flushed by one at a time for all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use haar_kv::{Crowd, Pace};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast};

use crate::commit::Carry;
use crate::snapshot::State;
use crate::store::Store;
use crate::writer::{Chunk, Load, Writer};
use crate::{ChangeSet, StoreError, Tables};

/// Chunks that one who commits hands to the store before it goes on, its own among them.
const CHUNKS_MAX: usize = 8;

/// Who writes what waits.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flusher {
    /// A thread of the ledger, as soon as something waits.
    Thread,
    /// The caller of `transact`, before it returns.
    Caller,
    /// Whoever calls `Ledger::flush`.
    Told,
}

/// The locks are taken in this order: `flushing`, `staging`, `writer`.
pub(crate) struct Core {
    pub(crate) tables: Arc<Tables>,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) flusher: Flusher,
    /// Held while the disk is flushed and its outcome published, so that flushes stay in order.
    pub(crate) flushing: Mutex<()>,
    /// Held while the store takes a chunk, so that chunks stay in order.
    pub(crate) staging: Mutex<()>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) wake: Condvar,
    pub(crate) due: Notify,
    /// Told when the store has no room for a chunk.
    pub(crate) full: Notify,
    pub(crate) pace: Pace,
    pub(crate) published: ArcSwap<State>,
    pub(crate) feed: broadcast::Sender<Arc<ChangeSet>>,
    pub(crate) flushes: AtomicU64,
}

impl Core {
    pub(crate) fn flush(&self) {
        self.flush_with(&self.flushing.lock());
    }

    fn flush_with(&self, _one: &MutexGuard<'_, ()>) {
        let staging = self.staging.lock();
        let (mut load, chunk, mut state) = {
            let mut writer = self.writer.lock();
            if writer.count() == 0 {
                return;
            }
            let (load, chunk) = writer.take_load();
            (load, chunk, Arc::clone(&writer.newest.state))
        };
        match self.stage(&chunk, &staging) {
            Ok(()) => load.has_staged(chunk),
            Err(StoreError::Full) => {
                let mut writer = self.writer.lock();
                writer.undo_of(&chunk, &mut load);
                state = Arc::clone(&writer.newest.state);
            }
            Err(error) => return self.fail(load, error),
        }
        drop(staging);
        match self.bring(&load) {
            Ok(()) => self.published.store(state),
            Err(error) => return self.fail(load, error),
        }
        self.flushes.fetch_add(1, Ordering::Relaxed);
        load.sets.iter().for_each(|set| _ = self.feed.send(Arc::clone(set)));
        load.tell(Ok(()));
        if let Some(work) = self.store.as_ref().and_then(|store| store.ahead()) {
            let late = self.writer.lock().ahead.replace(work);
            self.wake.notify_one();
            drop(late); // not under the lock: its file may go with it
        }
    }

    fn bring(&self, load: &Load) -> Result<(), StoreError> {
        match &self.store {
            Some(store) if !load.sets.is_empty() => self.pace.timed(|| guarded(|| store.flush())),
            _ => Ok(()),
        }
    }

    fn fail(&self, load: Load, error: StoreError) {
        let error = self.writer.lock().fail(Arc::new(error));
        load.tell(Err(error));
    }

    fn stage(&self, chunk: &Chunk, _one: &MutexGuard<'_, ()>) -> Result<(), StoreError> {
        let staged = match &self.store {
            Some(store) if !chunk.batch.is_empty() => guarded(|| store.stage(&chunk.batch)),
            _ => Ok(()),
        };
        if matches!(staged, Err(StoreError::Full)) {
            tracing::error!("the disk is full; changes are refused");
            self.full.notify_one();
        }
        staged
    }

    /// Hands what waits to the store, unless somebody is at it: while one does, others go on with
    /// their transactions, and what they leave goes in one piece. Nobody waits here: where the
    /// store would let them, that is for who flushes.
    pub(crate) fn stage_some(&self) {
        if !self.store.as_ref().is_some_and(|store| store.is_at_ease()) {
            return;
        }
        for _ in 0..CHUNKS_MAX {
            let Some(staging) = self.staging.try_lock() else {
                return;
            };
            let Some(chunk) = self.writer.lock().take_chunk() else {
                return;
            };
            let staged = self.stage(&chunk, &staging);
            let mut writer = self.writer.lock();
            match staged {
                Ok(()) => writer.has_staged(chunk),
                Err(StoreError::Full) => return writer.undo_early(&chunk),
                Err(error) => {
                    writer.fail(Arc::new(error));
                    return;
                }
            }
        }
    }

    /// Whether a commit's caller may bring it to the disk on its own thread.
    pub(crate) fn may_carry(&self) -> bool {
        let is_at_ease = || self.store.as_ref().is_some_and(|store| store.is_at_ease());
        self.pace.is_quick() && !self.flushing.is_locked() && is_at_ease()
    }

    /// The writing thread: flushes until the ledger is closed and nothing waits.
    pub(crate) fn run(&self) {
        loop {
            let mut writer = self.writer.lock();
            loop {
                if let Some(work) = writer.ahead.take() {
                    let work = || drop(catch_unwind(AssertUnwindSafe(work)));
                    MutexGuard::unlocked(&mut writer, work);
                    continue;
                }
                if writer.count() > 0 {
                    break;
                }
                if writer.closed {
                    return;
                }
                self.wake.wait(&mut writer);
            }
            Crowd::gather(&mut writer, (&self.wake, &self.pace), |writer| {
                let count = writer.count();
                (&mut writer.crowd, count)
            });
            drop(writer);
            self.flush();
        }
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(StoreError::backend("the store panicked")))
}

impl Carry for Core {
    fn carry(&self) {
        match self.flushing.try_lock() {
            Some(one) => self.flush_with(&one),
            None => self.pass_on(),
        }
    }

    fn pass_on(&self) {
        // under the lock, or the thread might just be about to wait
        let _writer = self.writer.lock();
        self.wake.notify_one();
    }
}
