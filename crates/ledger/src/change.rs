//! Telling of commits.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::Row;
use crate::kind::AnyRow;

/// A row before and after a commit; at least one of the two is there.
pub type BeforeAfter<R> = (Option<Arc<R>>, Option<Arc<R>>);

/// One row that a commit touched.
#[derive(Clone)]
pub struct Change {
    /// Its table.
    pub table: &'static str,
    pub(crate) old: Option<AnyRow>,
    pub(crate) new: Option<AnyRow>,
}

impl Change {
    /// The row before and after, when it is an `R`.
    pub fn row<R: Row>(&self) -> Option<BeforeAfter<R>> {
        let typed = |row: &Option<AnyRow>| Arc::downcast::<R>(row.clone()?).ok();
        (self.table == R::TABLE).then(|| (typed(&self.old), typed(&self.new)))
    }

    /// The row's key, when it is an `R`.
    pub fn key<R: Row>(&self) -> Option<R::Key> {
        let (old, new) = self.row::<R>()?;
        Some(new.or(old)?.key())
    }
}

/// What one commit did.
#[derive(Clone)]
pub struct ChangeSet {
    /// The snapshot that first shows it.
    pub version: u64,
    /// The rows it touched, each once.
    pub changes: Vec<Change>,
    /// Changes were lost to a slow reader, or everything was reset: look at all rows again.
    pub lost: bool,
}

impl ChangeSet {
    /// The rows of `R` that it touched, before and after.
    pub fn rows<R: Row>(&self) -> impl Iterator<Item = BeforeAfter<R>> + '_ {
        self.changes.iter().filter_map(Change::row::<R>)
    }

    /// The keys of the rows of `R` that it touched.
    pub fn keys<R: Row>(&self) -> Vec<R::Key> {
        self.changes.iter().filter_map(Change::key::<R>).collect()
    }
}

/// Follows the commits from when it was made.
pub struct ChangeFeed {
    pub(crate) receiver: broadcast::Receiver<Arc<ChangeSet>>,
}

impl ChangeFeed {
    /// Waits for the next commit; `None` once the ledger is gone. Cancelling loses nothing.
    ///
    /// A reader that is too slow gets one set with [`ChangeSet::lost`] in place of what it missed.
    pub async fn next(&mut self) -> Option<Arc<ChangeSet>> {
        match self.receiver.recv().await {
            Ok(set) => Some(set),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(lost(0)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next commit, when there is one already.
    pub fn try_next(&mut self) -> Option<Arc<ChangeSet>> {
        match self.receiver.try_recv() {
            Ok(set) => Some(set),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(lost(0)),
            Err(_) => None,
        }
    }
}

pub(crate) fn lost(version: u64) -> Arc<ChangeSet> {
    Arc::new(ChangeSet { version, changes: Vec::new(), lost: true })
}
