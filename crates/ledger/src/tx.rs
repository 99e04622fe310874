//! Writing.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::store::Batch;
use crate::{Change, LedgerError, Row, Snapshot};

/// One transaction: the newest state with its own writes in it. Reads as a [`Snapshot`].
pub struct Tx {
    view: Snapshot,
    writes: BTreeMap<usize, Box<dyn AnyWrites>>,
}

impl Deref for Tx {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.view
    }
}

impl Tx {
    pub(crate) fn new(view: Snapshot) -> Self {
        Self { view, writes: BTreeMap::new() }
    }

    /// Writes a row over the one of its key, if any.
    pub fn put<R: Row>(&mut self, row: R) {
        let (key, slot) = (row.key(), self.view.tables.slot::<R>());
        let old = self.view.slot_mut(slot).of_mut::<R>().put(Arc::new(row));
        self.first_touch::<R>(slot, key, old);
    }

    /// Removes a row and returns it; none is fine.
    pub fn remove<R: Row>(&mut self, key: &R::Key) -> Option<Arc<R>> {
        let slot = self.view.tables.slot::<R>();
        if !self.view.contains::<R>(key) {
            return None;
        }
        let old = self.view.slot_mut(slot).of_mut::<R>().remove(key);
        self.first_touch::<R>(slot, key.clone(), old.clone());
        old
    }

    /// Changes a row in place; false when there is none. The key must stay.
    pub fn update<R: Row>(&mut self, key: &R::Key, change: impl FnOnce(&mut R)) -> bool {
        let Some(row) = self.view.get::<R>(key) else {
            return false;
        };
        let mut row = R::clone(&row);
        change(&mut row);
        debug_assert!(row.key() == *key, "an update keeps the key");
        self.put(row);
        true
    }

    fn first_touch<R: Row>(&mut self, slot: usize, key: R::Key, old: Option<Arc<R>>) {
        let writes = self.writes.entry(slot).or_insert_with(|| Box::new(Writes::<R>::default()));
        let writes: &mut dyn Any = writes.as_mut();
        let writes = writes.downcast_mut::<Writes<R>>().expect("a slot has one row type");
        writes.before.entry(key).or_insert(old);
    }

    /// Judges the writes and returns the new state with what to tell and what to store.
    pub(crate) fn finish(self, encode: bool) -> Result<Finished, LedgerError> {
        let mut finished =
            Finished { state: self.view, changes: Vec::new(), batch: Batch::default() };
        for writes in self.writes.into_values() {
            writes.finish(&mut finished, encode)?;
        }
        Ok(finished)
    }
}

pub(crate) struct Finished {
    pub(crate) state: Snapshot,
    pub(crate) changes: Vec<Change>,
    pub(crate) batch: Batch,
}

/// The rows of one table that a transaction touched, as they were before it.
struct Writes<R: Row> {
    before: BTreeMap<R::Key, Option<Arc<R>>>,
}

impl<R: Row> Default for Writes<R> {
    fn default() -> Self {
        Self { before: BTreeMap::new() }
    }
}

trait AnyWrites: Any + Send {
    fn finish(self: Box<Self>, finished: &mut Finished, encode: bool) -> Result<(), LedgerError>;
}

impl<R: Row> AnyWrites for Writes<R> {
    fn finish(self: Box<Self>, finished: &mut Finished, encode: bool) -> Result<(), LedgerError> {
        for (key, old) in self.before {
            let new = finished.state.get::<R>(&key);
            if old.is_none() && new.is_none() {
                continue;
            }
            if let Some(new) = &new {
                judge(&key, old.as_deref(), new)?;
            }
            if encode {
                let value = new.as_deref().map(rmp_serde::to_vec_named).transpose();
                let value = value.map_err(encode_error::<R>)?;
                let key = rmp_serde::to_vec(&key).map_err(encode_error::<R>)?;
                finished.batch.set(R::TABLE, key, value);
            }
            finished.changes.push(Change {
                table: R::TABLE,
                old: old.map(|row| row as Arc<dyn Any + Send + Sync>),
                new: new.map(|row| row as Arc<dyn Any + Send + Sync>),
            });
        }
        Ok(())
    }
}

fn judge<R: Row>(key: &R::Key, old: Option<&R>, new: &R) -> Result<(), LedgerError> {
    R::check(old, new).map_err(|reason| {
        tracing::error!(table = R::TABLE, ?key, reason, "a transaction broke an invariant");
        LedgerError::Invariant { table: R::TABLE, key: format!("{key:?}"), reason }
    })
}

fn encode_error<R: Row>(error: rmp_serde::encode::Error) -> LedgerError {
    LedgerError::Encode { table: R::TABLE, reason: error.to_string() }
}
