//! One table as a persistent map with its indexes.

use imbl::OrdMap;

use crate::kind::{AnyKey, AnyRow, Key, Kind, RowRef};

/// Where a row stands in the index map; `Low` and `High` only bound lookups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edge {
    Low,
    Is(Key),
    High,
}

type Indexed = (&'static str, String, Edge);

#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) kind: &'static Kind,
    pub(crate) rows: OrdMap<Key, AnyRow>,
    pub(crate) index: OrdMap<Indexed, AnyRow>,
}

impl Table {
    pub(crate) fn empty(kind: &'static Kind) -> Self {
        Self { kind, rows: OrdMap::new(), index: OrdMap::new() }
    }

    /// Puts a row in and returns the one it replaces.
    pub(crate) fn put(&mut self, key: &Key, row: AnyRow) -> Option<AnyRow> {
        let old = self.rows.insert(key.clone(), AnyRow::clone(&row));
        self.unindex(key, old.as_deref());
        for entry in (self.kind.indexes)(&*row) {
            self.index.insert((entry.name, entry.key, Edge::Is(key.clone())), AnyRow::clone(&row));
        }
        old
    }

    /// Takes a row out and returns it.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<AnyRow> {
        let old = self.rows.remove::<Key>(key);
        self.unindex(key, old.as_deref());
        old
    }

    pub(crate) fn get(&self, key: &dyn AnyKey) -> Option<&AnyRow> {
        self.rows.get(key)
    }

    /// Puts in a row as the store has it.
    pub(crate) fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let row = (self.kind.decode)(bytes).map_err(|error| error.to_string())?;
        self.put(&(self.kind.key)(&*row), row);
        Ok(())
    }

    fn unindex(&mut self, key: &Key, old: Option<RowRef<'_>>) {
        for entry in old.map(self.kind.indexes).unwrap_or_default() {
            self.index.remove(&(entry.name, entry.key, Edge::Is(key.clone())));
        }
    }
}
