//! The ledger itself: one writer lock, one flush at a time.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use haar_kv::Crowd;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast, oneshot};

use crate::change::lost;
use crate::commit::{Ack, Carrier, Carry, Waits};
use crate::load::load;
use crate::pace::Pace;
use crate::snapshot::State;
use crate::store::{Batch, Store};
use crate::tx::Finished;
use crate::{ChangeFeed, ChangeSet, Committed, LedgerError, Snapshot, StoreError, Tables, Tx};

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

struct Core {
    tables: Arc<Tables>,
    store: Option<Arc<dyn Store>>,
    flusher: Flusher,
    writer: Mutex<Writer>,
    wake: Condvar,
    due: Notify,
    /// Held while a batch is written and published, so that batches stay in order.
    flushing: Mutex<()>,
    pace: Pace,
    published: ArcSwap<State>,
    feed: broadcast::Sender<Arc<ChangeSet>>,
    flushes: AtomicU64,
}

/// Who writes what waits.
#[derive(Clone, Copy, PartialEq)]
enum Flusher {
    /// A thread of the ledger, as soon as something waits.
    Thread,
    /// The caller of `transact`, before it returns.
    Caller,
    /// Whoever calls `Ledger::flush`.
    Told,
}

struct Writer {
    newest: Snapshot,
    waiting: Waiting,
    /// What the store does not have yet waits, or is being committed.
    is_behind: bool,
    crowd: Crowd,
    failed: Option<Arc<StoreError>>,
    closed: bool,
}

/// Commits on their way to the disk.
#[derive(Default)]
struct Waiting {
    /// What the store does not have yet.
    batch: Batch,
    /// The store has something that is to be flushed.
    is_staged: bool,
    sets: Vec<Arc<ChangeSet>>,
    acks: Vec<oneshot::Sender<Result<(), LedgerError>>>,
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
            writer: Mutex::new(Writer {
                newest,
                waiting: Waiting::default(),
                is_behind: false,
                crowd: Crowd::default(),
                failed: None,
                closed: false,
            }),
            wake: Condvar::new(),
            due: Notify::new(),
            flushing: Mutex::new(()),
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
        if let Some(failed) = &writer.failed {
            let error = LedgerError::Store(Arc::clone(failed));
            let value = work(&mut Tx::new(writer.newest.clone()))?;
            return Ok(Committed { value, ack: Ack::Done(Err(error)) });
        }
        let mut tx = Tx::new(writer.newest.clone());
        let value = work(&mut tx)?;
        let finished = tx.finish(core.store.is_some());
        let staged = finished.and_then(|finished| {
            let is_staged = core.stage(&mut writer, &finished.batch)?;
            Ok((finished, is_staged))
        });
        let waits = match staged {
            Ok(staged) => writer.accept(staged, core.published.load().version),
            Err(error) => return Ok(Committed { value, ack: Ack::Done(Err(error)) }),
        };
        let Some(ack) = waits else { return Ok(Committed { value, ack: Ack::Done(Ok(())) }) };
        let count = writer.waiting.acks.len();
        let is_alone = count == 1 && writer.crowd.was_one();
        let is_due = writer.crowd.is_there(count);
        drop(writer);
        match core.flusher {
            Flusher::Caller => core.flush(),
            Flusher::Told => core.due.notify_one(),
            Flusher::Thread if is_alone && core.may_carry() => {
                let carrier = Carrier::new(Arc::clone(core) as Arc<dyn Carry>);
                return Ok(Committed { value, ack: Ack::Carries(carrier, ack) });
            }
            Flusher::Thread if is_due => _ = core.wake.notify_one(),
            Flusher::Thread => {}
        }
        Ok(Committed { value, ack: Ack::Waits(ack) })
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

    /// Removes all rows, also on disk, within milliseconds. Followers are told that all is lost.
    pub fn reset(&self) -> Result<(), LedgerError> {
        let core = &self.inner.core;
        core.flush();
        let _one = core.flushing.lock();
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
        writer.newest = Snapshot::empty(Arc::clone(&core.tables), version);
        core.published.store(Arc::clone(&writer.newest.state));
        let waiting = std::mem::take(&mut writer.waiting);
        writer.is_behind = false;
        waiting.acks.into_iter().for_each(|ack| _ = ack.send(Ok(())));
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

impl Writer {
    /// Makes a judged transaction the newest state and queues it for the disk.
    /// `None` where there is nothing to wait for.
    fn accept(&mut self, staged: (Finished, bool), published: u64) -> Option<Waits> {
        let (Finished { mut state, changes, batch }, is_staged) = staged;
        if changes.is_empty() && self.newest.version() == published {
            return None;
        }
        if !changes.is_empty() {
            Arc::make_mut(&mut state.state).version += 1;
            let version = state.version();
            self.newest = state;
            match is_staged {
                true => self.waiting.is_staged = true,
                false => {
                    self.waiting.batch.append(batch);
                    self.is_behind = true;
                }
            }
            self.waiting.sets.push(Arc::new(ChangeSet { version, changes, lost: false }));
        }
        let (ack, waits) = oneshot::channel();
        self.waiting.acks.push(ack);
        Some(waits)
    }

    /// From here on nothing is acknowledged.
    fn fail(&mut self, error: Arc<StoreError>) -> LedgerError {
        tracing::error!(%error, "the ledger failed to write; no change is kept until a restart");
        self.failed = Some(Arc::clone(&error));
        for ack in std::mem::take(&mut self.waiting).acks {
            _ = ack.send(Err(LedgerError::Store(Arc::clone(&error))));
        }
        LedgerError::Store(error)
    }
}

impl Core {
    fn flush(&self) {
        self.flush_with(&self.flushing.lock());
    }

    fn flush_with(&self, _one: &MutexGuard<'_, ()>) {
        let (waiting, state, staged) = {
            let mut writer = self.writer.lock();
            let mut waiting = std::mem::take(&mut writer.waiting);
            if waiting.acks.is_empty() {
                return;
            }
            writer.crowd.flushed(waiting.acks.len());
            let staged = self.catch_up(&mut writer, &mut waiting);
            (waiting, Arc::clone(&writer.newest.state), staged)
        };
        let written = staged.and_then(|()| self.write(&waiting));
        // refused, it stays behind until what it was built on is undone: nothing is staged over it
        if written.is_ok() && !waiting.batch.is_empty() {
            let mut writer = self.writer.lock();
            writer.is_behind = !writer.waiting.batch.is_empty();
        }
        if let Err(error) = written {
            if matches!(error, StoreError::Full) {
                return self.undo(waiting);
            }
            let error = self.writer.lock().fail(Arc::new(error));
            waiting.acks.into_iter().for_each(|ack| _ = ack.send(Err(error.clone())));
            return;
        }
        self.published.store(state);
        self.flushes.fetch_add(1, Ordering::Relaxed);
        waiting.sets.into_iter().for_each(|set| _ = self.feed.send(set));
        waiting.acks.into_iter().for_each(|ack| _ = ack.send(Ok(())));
    }

    /// Stages what had to wait until the store takes it: later commits may then be staged at once.
    fn catch_up(&self, writer: &mut Writer, waiting: &mut Waiting) -> Result<(), StoreError> {
        let store = match &self.store {
            Some(store) if self.flusher == Flusher::Thread && writer.is_behind => store,
            _ => return Ok(()),
        };
        if guarded(|| store.stage(&waiting.batch))? {
            (waiting.batch, waiting.is_staged) = (Batch::default(), true);
            writer.is_behind = false;
        }
        Ok(())
    }

    /// Goes back to what is on disk: the disk has no room for what came since.
    fn undo(&self, refused: Waiting) {
        tracing::error!("the disk is full; changes are refused");
        let mut writer = self.writer.lock();
        let state = self.published.load_full();
        writer.newest = Snapshot { tables: Arc::clone(&self.tables), state };
        let later = std::mem::take(&mut writer.waiting); // built on what was refused
        writer.is_behind = false;
        drop(writer);
        for ack in refused.acks.into_iter().chain(later.acks) {
            _ = ack.send(Err(LedgerError::Full));
        }
    }

    /// Hands a commit's rows to the store while others wait for the disk. False where they are to
    /// be committed later, behind what is.
    fn stage(&self, writer: &mut Writer, batch: &Batch) -> Result<bool, LedgerError> {
        let store = match &self.store {
            Some(store) if self.flusher == Flusher::Thread && !writer.is_behind => store,
            _ => return Ok(false),
        };
        match guarded(|| store.stage(batch)) {
            Err(StoreError::Full) => {
                tracing::error!("the disk is full; a change is refused");
                Err(LedgerError::Full)
            }
            staged => staged.map_err(|error| writer.fail(Arc::new(error))),
        }
    }

    fn write(&self, waiting: &Waiting) -> Result<(), StoreError> {
        match &self.store {
            Some(store) if !waiting.batch.is_empty() => {
                self.pace.timed(|| guarded(|| store.commit(&waiting.batch)))
            }
            Some(store) if waiting.is_staged => self.pace.timed(|| guarded(|| store.flush())),
            _ => Ok(()),
        }
    }

    /// Whether a lone commit's caller may bring it to the disk on its own thread.
    fn may_carry(&self) -> bool {
        self.pace.is_quick() && !self.flushing.is_locked()
    }

    /// The writing thread: flushes until the ledger is closed and nothing waits.
    fn run(&self) {
        loop {
            let mut writer = self.writer.lock();
            while writer.waiting.acks.is_empty() {
                if writer.closed {
                    return;
                }
                self.wake.wait(&mut writer);
            }
            Crowd::gather(&mut writer, &self.wake, |writer| {
                (&mut writer.crowd, writer.waiting.acks.len())
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
