//! Writing.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::kind::{AnyRow, Key, Kind, RowRef, typed};
use crate::store::Batch;
use crate::table::Table;
use crate::{Change, LedgerError, Row, Snapshot};

/// The rows of one table that a transaction touched, as they were before it.
type Before = BTreeMap<Key, Option<AnyRow>>;

/// One transaction: the newest state with its own writes in it. Reads as a [`Snapshot`].
pub struct Tx {
    view: Snapshot,
    writes: BTreeMap<usize, Before>,
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
        let key = Key::new(row.key());
        self.put_any(self.view.tables.slot::<R>(), key, Arc::new(row));
    }

    fn put_any(&mut self, slot: usize, key: Key, row: AnyRow) {
        let old = self.view.slot_mut(slot).put(&key, row);
        self.first_touch(slot, key, old);
    }

    /// Removes a row and returns it; none is fine.
    pub fn remove<R: Row>(&mut self, key: &R::Key) -> Option<Arc<R>> {
        if !self.view.contains::<R>(key) {
            return None;
        }
        let removed = self.remove_any(self.view.tables.slot::<R>(), Key::new(key.clone()));
        removed.as_ref().map(typed)
    }

    fn remove_any(&mut self, slot: usize, key: Key) -> Option<AnyRow> {
        let old = self.view.slot_mut(slot).remove(&key);
        self.first_touch(slot, key, old.clone());
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

    fn first_touch(&mut self, slot: usize, key: Key, old: Option<AnyRow>) {
        self.writes.entry(slot).or_default().entry(key).or_insert(old);
    }

    /// Judges the writes, and says what to tell and what to store.
    pub(crate) fn finish(&self, encode: bool) -> Result<Finished, LedgerError> {
        let mut finished = Finished { changes: Vec::new(), batch: Batch::default() };
        for (slot, before) in &self.writes {
            let table = &self.view.state.slots[*slot];
            for (key, old) in before {
                finished.add(table, key, old.as_ref(), encode)?;
            }
        }
        Ok(finished)
    }

    /// The state with its writes.
    pub(crate) fn done(self) -> Snapshot {
        self.view
    }

    /// The state as it was.
    pub(crate) fn undone(mut self) -> Snapshot {
        for (slot, before) in self.writes {
            let table = self.view.slot_mut(slot);
            for (key, old) in before {
                match old {
                    Some(row) => _ = table.put(&key, row),
                    None => _ = table.remove(&key),
                }
            }
        }
        self.view
    }
}

pub(crate) struct Finished {
    pub(crate) changes: Vec<Change>,
    pub(crate) batch: Batch,
}

impl Finished {
    fn add(
        &mut self,
        table: &Table,
        key: &Key,
        old: Option<&AnyRow>,
        encode: bool,
    ) -> Result<(), LedgerError> {
        let (kind, new) = (table.kind, table.rows.get(key).cloned());
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        if let Some(new) = &new {
            judge(kind, key, old.map(|old| &**old), &**new)?;
        }
        if encode {
            let value = new.as_deref().map(kind.encode).transpose();
            let failed = |error| encode_error(kind, &error);
            self.batch.set(kind.table, key.encode().map_err(failed)?, value.map_err(failed)?);
        }
        self.changes.push(Change { table: kind.table, old: old.cloned(), new });
        Ok(())
    }
}

fn judge(
    kind: &Kind,
    key: &Key,
    old: Option<RowRef<'_>>,
    new: RowRef<'_>,
) -> Result<(), LedgerError> {
    (kind.check)(old, new).map_err(|reason| {
        let table = kind.table;
        tracing::error!(table, ?key, reason, "a transaction broke an invariant");
        LedgerError::Invariant { table, key: format!("{key:?}"), reason }
    })
}

fn encode_error(kind: &Kind, error: &rmp_serde::encode::Error) -> LedgerError {
    LedgerError::Encode { table: kind.table, reason: error.to_string() }
}
