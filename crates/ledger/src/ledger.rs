//! The ledger as others see it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use haar_kv::Pace;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, broadcast};

use crate::change::lost;
use crate::commit::{Ack, Carrier, Carry};
use crate::flushing::{Core, Flusher};
use crate::load::load;
use crate::store::Store;
use crate::writer::{Attempt, Writer};
use crate::{ChangeFeed, Committed, LedgerError, Snapshot, StoreError, Tables, Tx};

/// Change sets that a slow reader of the feed may be behind before it must look at everything.
const FEED_LENGTH: usize = 1024;

/// Control state. Cheap to clone; the last clone to go writes what waits and closes the store.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

/// Figures for the metrics page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerStats {
    /// Commits since the ledger opened, on disk or on their way.
    pub commits: u64,
    /// Batches written; commits divided by it is the size of a group.
    pub flushes: u64,
    /// Rows over all tables.
    pub rows: usize,
    /// False after a failed disk write.
    pub healthy: bool,
}

impl Ledger {
    /// Loads the rows from `store` and keeps it. Rows of unknown tables stay there untouched.
    pub fn open(tables: Tables, store: Arc<dyn Store>) -> Result<Self, LedgerError> {
        Self::start(tables, Some(store), Flusher::Thread)
    }

    /// In memory only: a commit is acknowledged at once and gone with the process.
    pub fn ephemeral(tables: Tables) -> Self {
        Self::start(tables, None, Flusher::Caller).expect("memory opens")
    }

    /// Writes to `store` only when [`Self::flush`] is called, on that thread: for simulations.
    pub fn open_manual(tables: Tables, store: Arc<dyn Store>) -> Result<Self, LedgerError> {
        Self::start(tables, Some(store), Flusher::Told)
    }

    fn start(
        tables: Tables,
        store: Option<Arc<dyn Store>>,
        flusher: Flusher,
    ) -> Result<Self, LedgerError> {
        let tables = Arc::new(tables);
        let newest = load(&tables, store.as_deref())?;
        let core = Arc::new(Core {
            tables,
            store,
            flusher,
            published: ArcSwap::new(Arc::clone(&newest.state)),
            writer: Mutex::new(Writer::new(newest)),
            wake: Condvar::new(),
            due: Notify::new(),
            full: Notify::new(),
            flushing: Mutex::new(()),
            staging: Mutex::new(()),
            pace: Pace::default(),
            feed: broadcast::Sender::new(FEED_LENGTH),
            flushes: AtomicU64::new(0),
        });
        let thread = (flusher == Flusher::Thread).then(|| spawn(&core)).transpose()?;
        Ok(Self { inner: Arc::new(Inner { core, thread }) })
    }

    /// The newest state that is on disk.
    pub fn snapshot(&self) -> Snapshot {
        let core = &self.inner.core;
        Snapshot { tables: Arc::clone(&core.tables), state: core.published.load_full() }
    }

    /// Runs `work` on the newest state, which may not be on disk yet, and commits its writes;
    /// on an error they are as if never made. Nested calls deadlock.
    pub fn transact<T, E>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<Committed<T>, E> {
        let core = &self.inner.core;
        let mut writer = core.writer.lock();
        let failed = writer.failed.clone();
        let mut attempt = Attempt::on(&mut writer);
        let value = work(attempt.tx())?;
        if let Some(failed) = failed {
            return Ok(Committed { value, ack: Ack::Done(Err(LedgerError::Store(failed))) });
        }
        let finished = match attempt.tx().finish(core.store.is_some()) {
            Ok(finished) => finished,
            Err(error) => return Ok(Committed { value, ack: Ack::Done(Err(error)) }),
        };
        attempt.keep();
        let waits = writer.accept(finished, core.published.load().version);
        let Some(waits) = waits else { return Ok(Committed { value, ack: Ack::Done(Ok(())) }) };
        let count = writer.count();
        let (is_all, is_due) = (writer.crowd.is_all(count), writer.crowd.is_there(count));
        drop(writer);
        match core.flusher {
            Flusher::Caller => core.flush(),
            Flusher::Told => core.due.notify_one(),
            Flusher::Thread if is_all && core.may_carry() => {
                let carrier = Carrier::new(Arc::clone(core) as Arc<dyn Carry>);
                return Ok(Committed { value, ack: Ack::Carries(carrier, waits) });
            }
            Flusher::Thread => {
                if is_due {
                    core.wake.notify_one();
                }
                core.stage_some();
            }
        }
        Ok(Committed { value, ack: Ack::Waits(waits) })
    }

    /// Commits `work` that cannot be refused.
    pub fn write<T>(&self, work: impl FnOnce(&mut Tx) -> T) -> Committed<T> {
        match self.transact(|tx| Ok::<T, Infallible>(work(tx))) {
            Ok(committed) => committed,
            Err(never) => match never {},
        }
    }

    /// Follows all commits from now on.
    pub fn changes(&self) -> ChangeFeed {
        ChangeFeed { receiver: self.inner.core.feed.subscribe() }
    }

    /// Writes what waits, on this thread.
    pub fn flush(&self) {
        self.inner.core.flush();
    }

    /// Waits until something waits for the disk; for whoever calls [`Self::flush`].
    pub async fn flush_due(&self) {
        self.inner.core.due.notified().await;
    }

    /// Waits until the disk has no room for a change. A refusal that nobody waited for is told once,
    /// to who waits next.
    pub async fn refused(&self) {
        self.inner.core.full.notified().await;
    }

    /// Removes all rows, also on disk, within milliseconds. Followers are told that all is lost.
    pub fn reset(&self) -> Result<(), LedgerError> {
        let core = &self.inner.core;
        core.flush();
        let _locks = (core.flushing.lock(), core.staging.lock());
        let mut writer = core.writer.lock();
        if let Some(failed) = &writer.failed {
            return Err(LedgerError::Store(Arc::clone(failed)));
        }
        if let Some(store) = &core.store {
            let cleared = store.clear().map_err(Arc::new);
            cleared.map_err(|error| match &*error {
                StoreError::Full => LedgerError::Full,
                _ => writer.fail(error),
            })?;
        }
        let version = writer.newest.version() + 1;
        let empty = Snapshot::empty(Arc::clone(&core.tables), version);
        core.published.store(Arc::clone(&empty.state));
        writer.reset(empty);
        _ = core.feed.send(lost(version));
        Ok(())
    }

    /// Figures for the metrics page.
    pub fn stats(&self) -> LedgerStats {
        let core = &self.inner.core;
        let rows = self.snapshot().row_counts().iter().map(|(_, count)| count).sum();
        let writer = core.writer.lock();
        LedgerStats {
            commits: writer.newest.version(),
            flushes: core.flushes.load(Ordering::Relaxed),
            rows,
            healthy: writer.failed.is_none(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.core.writer.lock().closed = true;
        self.core.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn spawn(core: &Arc<Core>) -> Result<JoinHandle<()>, LedgerError> {
    let core = Arc::clone(core);
    std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || core.run())
        .map_err(|error| LedgerError::Open(Arc::new(StoreError::backend(error))))
}
