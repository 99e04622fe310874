//! What the writer's lock guards.

use std::sync::Arc;

use haar_kv::Crowd;

use crate::group::{Told, Waits};
use crate::store::{Batch, Work};
use crate::tx::Finished;
use crate::{ChangeSet, LedgerError, Snapshot, StoreError, Tx};

/// The newest state, and the commits on their way to the disk: first they wait until the store
/// takes them, then they are staged there until it is flushed.
pub(crate) struct Writer {
    pub(crate) newest: Snapshot,
    waiting: Chunk,
    staged: Vec<Arc<ChangeSet>>,
    /// All of the above.
    told: Told,
    /// How many of `told` are staged, or being staged.
    taken: usize,
    /// Those of earlier ones, of which some were refused.
    cut: Vec<Told>,
    pub(crate) crowd: Crowd,
    /// For the ledger's thread to do before it gathers the next flush, also where some wait for it:
    /// under load some always do.
    pub(crate) ahead: Option<Work>,
    pub(crate) failed: Option<Arc<StoreError>>,
    pub(crate) closed: bool,
}

/// A transaction on the newest state itself, which nobody else sees meanwhile: a copy of it would
/// share all its tables, and each commit would copy what it touches of them. Where the transaction
/// comes to nothing, also by a panic, the state is as it was.
pub(crate) struct Attempt<'a> {
    writer: &'a mut Writer,
    tx: Option<Tx>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn on(writer: &'a mut Writer) -> Self {
        let aside = writer.newest.placeholder();
        let tx = Some(Tx::new(std::mem::replace(&mut writer.newest, aside)));
        Self { writer, tx }
    }

    pub(crate) fn tx(&mut self) -> &mut Tx {
        self.tx.as_mut().expect("it is there until it is kept")
    }

    /// The newest state has its writes from here on.
    pub(crate) fn keep(mut self) {
        if let Some(tx) = self.tx.take() {
            self.writer.newest = tx.done();
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(tx) = self.tx.take() {
            self.writer.newest = tx.undone();
        }
    }
}

/// Commits that the store takes at once.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) batch: Batch,
    sets: Vec<Arc<ChangeSet>>,
    /// The first of those who wait for it.
    seat: usize,
}

/// What one flush brings to the disk.
pub(crate) struct Load {
    pub(crate) sets: Vec<Arc<ChangeSet>>,
    told: Told,
    cut: Vec<Told>,
}

impl Load {
    /// Notes that the store has the rest of it.
    pub(crate) fn has_staged(&mut self, chunk: Chunk) {
        self.sets.extend(chunk.sets);
    }

    /// Tells all who wait.
    pub(crate) fn tell(self, outcome: Result<(), LedgerError>) {
        self.cut.into_iter().for_each(|told| told.tell(outcome.clone()));
        self.told.tell(outcome);
    }
}

impl Writer {
    pub(crate) fn new(newest: Snapshot) -> Self {
        Self {
            newest,
            waiting: Chunk::default(),
            staged: Vec::new(),
            told: Told::default(),
            taken: 0,
            cut: Vec::new(),
            crowd: Crowd::default(),
            ahead: None,
            failed: None,
            closed: false,
        }
    }

    /// How many wait for the disk.
    pub(crate) fn count(&self) -> usize {
        self.told.count() + self.cut.len()
    }

    /// Queues a judged transaction, which is in the newest state, for the disk.
    /// `None` where there is nothing to wait for.
    pub(crate) fn accept(&mut self, finished: Finished, published: u64) -> Option<Waits> {
        let Finished { changes, batch } = finished;
        if changes.is_empty() && self.newest.version() == published {
            return None;
        }
        if !changes.is_empty() {
            let state = Arc::make_mut(&mut self.newest.state);
            state.version += 1;
            let version = state.version;
            self.waiting.batch.append(batch);
            self.waiting.sets.push(Arc::new(ChangeSet { version, changes, lost: false }));
        }
        Some(self.told.join())
    }

    /// What the store does not have yet, if anybody waits for it.
    pub(crate) fn take_chunk(&mut self) -> Option<Chunk> {
        if self.taken == self.told.count() {
            return None;
        }
        let seat = std::mem::replace(&mut self.taken, self.told.count());
        Some(Chunk { seat, ..std::mem::take(&mut self.waiting) })
    }

    /// Notes that the store has it.
    pub(crate) fn has_staged(&mut self, chunk: Chunk) {
        self.staged.extend(chunk.sets);
    }

    /// All that the disk may not have, and of it what the store does not have either.
    pub(crate) fn take_load(&mut self) -> (Load, Chunk) {
        let chunk = self.take_chunk().unwrap_or_default();
        let count = self.count();
        self.crowd.flushed(count);
        self.taken = 0;
        let (told, cut) = (std::mem::take(&mut self.told), std::mem::take(&mut self.cut));
        (Load { sets: std::mem::take(&mut self.staged), told, cut }, chunk)
    }

    /// Goes back to what was before a chunk that a flush took: the disk has no room for it, and so
    /// for nothing that was built on it.
    pub(crate) fn undo_of(&mut self, chunk: &Chunk, load: &mut Load) {
        self.undo(chunk).tell(Err(LedgerError::Full));
        load.told.refuse_from(chunk.seat);
    }

    /// The same for a chunk that was staged before a flush.
    pub(crate) fn undo_early(&mut self, chunk: &Chunk) {
        let mut told = self.undo(chunk);
        told.refuse_from(chunk.seat);
        match chunk.seat {
            0 => told.tell(Err(LedgerError::Full)),
            _ => self.cut.push(told),
        }
    }

    /// Returns those who joined since the last flush began.
    fn undo(&mut self, chunk: &Chunk) -> Told {
        let later = std::mem::take(&mut self.waiting);
        for set in chunk.sets.iter().chain(&later.sets).rev() {
            self.newest.undo(set);
        }
        self.taken = 0;
        std::mem::take(&mut self.told)
    }

    /// From here on nothing is acknowledged.
    pub(crate) fn fail(&mut self, error: Arc<StoreError>) -> LedgerError {
        tracing::error!(%error, "the ledger failed to write; no change is kept until a restart");
        self.failed = Some(Arc::clone(&error));
        self.waiting = Chunk::default();
        let error = LedgerError::Store(error);
        self.take_load().0.tell(Err(error.clone()));
        error
    }

    /// Everything is gone, with what was on its way; `version` shows it first.
    pub(crate) fn reset(&mut self, empty: Snapshot) {
        self.newest = empty;
        self.waiting = Chunk::default();
        self.take_load().0.tell(Ok(()));
    }
}
