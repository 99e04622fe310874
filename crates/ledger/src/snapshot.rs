//! Reading.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::kind::{AnyKey, AnyRow, Key, typed};
use crate::table::{Edge, Table};
use crate::{ChangeSet, Row, Tables, Tx};

/// All rows at one moment. Cheap to clone, never changes; [`Tx`](crate::Tx) derefs to it.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) tables: Arc<Tables>,
    pub(crate) state: Arc<State>,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) version: u64,
    pub(crate) slots: Vec<Arc<Table>>,
}

impl Snapshot {
    pub(crate) fn empty(tables: Arc<Tables>, version: u64) -> Self {
        let state = Arc::new(State { version, slots: tables.empty() });
        Self { tables, state }
    }

    /// Stands where a snapshot stood that is being written to.
    pub(crate) fn placeholder(&self) -> Self {
        Self {
            tables: Arc::clone(&self.tables),
            state: Arc::new(State { version: 0, slots: vec![] }),
        }
    }

    pub(crate) fn table<R: Row>(&self) -> &Table {
        &self.state.slots[self.tables.slot::<R>()]
    }

    pub(crate) fn slot_mut(&mut self, slot: usize) -> &mut Table {
        Arc::make_mut(&mut Arc::make_mut(&mut self.state).slots[slot])
    }

    /// Goes back to before a commit, the newest.
    pub(crate) fn undo(&mut self, set: &ChangeSet) {
        for change in &set.changes {
            let Some(slot) = self.tables.slot_named(change.table) else { continue };
            let table = self.slot_mut(slot);
            match (&change.old, &change.new) {
                (Some(old), _) => _ = table.put(&(table.kind.key)(&**old), AnyRow::clone(old)),
                (None, Some(new)) => _ = table.remove(&(table.kind.key)(&**new)),
                (None, None) => {}
            }
        }
        Arc::make_mut(&mut self.state).version = set.version - 1;
    }

    /// The state as it would be after `writes`, which nobody else sees and nothing keeps: rows
    /// that are there by rule until a command writes them.
    #[must_use]
    pub fn supposing(&self, writes: impl FnOnce(&mut Tx)) -> Self {
        let mut tx = Tx::new(self.clone());
        writes(&mut tx);
        Self::clone(&tx)
    }

    /// Counts the commits since the ledger opened.
    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// The row of that key.
    pub fn get<R: Row>(&self, key: &R::Key) -> Option<Arc<R>> {
        self.table::<R>().get(key).map(typed)
    }

    /// True when there is a row of that key.
    pub fn contains<R: Row>(&self, key: &R::Key) -> bool {
        self.table::<R>().get(key).is_some()
    }

    /// The rows within `bounds`, by key, lazily; also from the end. All keys that begin alike:
    /// a range from the first of them, with `take_while`.
    pub fn range<R: Row>(
        &self,
        bounds: impl RangeBounds<R::Key>,
    ) -> impl DoubleEndedIterator<Item = Arc<R>> + '_ {
        self.table::<R>().rows.range::<_, Key>(checked(bounds)).map(|(_, row)| typed(row))
    }

    /// All rows of a table, by key.
    pub fn all<R: Row>(&self) -> impl DoubleEndedIterator<Item = Arc<R>> + '_ {
        self.range::<R>(..)
    }

    /// How many rows a table has.
    pub fn len<R: Row>(&self) -> usize {
        self.table::<R>().rows.len()
    }

    /// True when a table has no row.
    pub fn is_empty<R: Row>(&self) -> bool {
        self.table::<R>().rows.is_empty()
    }

    /// The rows under one entry of an index, by key.
    pub fn by_index<R: Row>(
        &self,
        name: &'static str,
        key: &str,
    ) -> impl DoubleEndedIterator<Item = Arc<R>> + '_ {
        let (low, high) = ((name, key.to_owned(), Edge::Low), (name, key.to_owned(), Edge::High));
        self.table::<R>().index.range(low..high).map(|(_, row)| typed(row))
    }

    /// The rows whose entry in an index begins with `prefix`, by entry, then by key.
    pub fn by_index_prefix<R: Row>(
        &self,
        name: &'static str,
        prefix: &str,
    ) -> impl Iterator<Item = Arc<R>> + '_ {
        let prefix = prefix.to_owned();
        let low = (name, prefix.clone(), Edge::Low);
        self.table::<R>()
            .index
            .range(low..)
            .take_while(move |((index, key, _), _)| *index == name && key.starts_with(&prefix))
            .map(|(_, row)| typed(row))
    }

    /// Rows per table, by table name.
    pub fn row_counts(&self) -> Vec<(&'static str, usize)> {
        self.tables.names().map(|(name, slot)| (name, self.state.slots[slot].rows.len())).collect()
    }
}

/// Turns bounds that hold nothing, which the map would refuse by a panic, into an empty range.
fn checked<K: Ord + Clone + AnyKey>(bounds: impl RangeBounds<K>) -> (Bound<Key>, Bound<Key>) {
    let kept = |bound: Bound<&K>| bound.map(|key| Key::new(key.clone()));
    ordered(kept(bounds.start_bound()), kept(bounds.end_bound()))
}

fn ordered(low: Bound<Key>, high: Bound<Key>) -> (Bound<Key>, Bound<Key>) {
    use Bound::{Excluded, Included, Unbounded};
    let nothing = match (&low, &high) {
        (Unbounded, _) | (_, Unbounded) => None,
        (Included(low), Included(high)) => (low > high).then(|| high.clone()),
        (Included(low) | Excluded(low), Excluded(high)) | (Excluded(low), Included(high)) => {
            (low >= high).then(|| high.clone())
        }
    };
    match nothing {
        Some(key) => (Included(key.clone()), Excluded(key)),
        None => (low, high),
    }
}
