//! One table as a persistent map with its indexes.

use std::any::Any;
use std::sync::Arc;

use imbl::OrdMap;

use crate::Row;

/// Where a row stands in the index map; `Low` and `High` only bound lookups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edge<K> {
    Low,
    Is(K),
    High,
}

type Indexed<K> = (&'static str, String, Edge<K>);

pub(crate) struct Table<R: Row> {
    pub(crate) rows: OrdMap<R::Key, Arc<R>>,
    pub(crate) index: OrdMap<Indexed<R::Key>, Arc<R>>,
}

impl<R: Row> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), index: self.index.clone() }
    }
}

impl<R: Row> Table<R> {
    pub(crate) fn empty() -> Self {
        Self { rows: OrdMap::new(), index: OrdMap::new() }
    }

    /// Puts a row in and returns the one it replaces.
    pub(crate) fn put(&mut self, row: Arc<R>) -> Option<Arc<R>> {
        let key = row.key();
        let old = self.rows.insert(key.clone(), Arc::clone(&row));
        self.unindex(&key, old.as_deref());
        for entry in row.indexes() {
            self.index.insert((entry.name, entry.key, Edge::Is(key.clone())), Arc::clone(&row));
        }
        old
    }

    /// Takes a row out and returns it.
    pub(crate) fn remove(&mut self, key: &R::Key) -> Option<Arc<R>> {
        let old = self.rows.remove(key);
        self.unindex(key, old.as_deref());
        old
    }

    fn unindex(&mut self, key: &R::Key, old: Option<&R>) {
        for entry in old.map(Row::indexes).unwrap_or_default() {
            self.index.remove(&(entry.name, entry.key, Edge::Is(key.clone())));
        }
    }
}

/// A table whose row type is forgotten.
pub(crate) trait AnyTable: Any + Send + Sync {
    fn fork(&self) -> Arc<dyn AnyTable>;
    fn len(&self) -> usize;
    fn load(&mut self, bytes: &[u8]) -> Result<(), String>;
}

impl<R: Row> AnyTable for Table<R> {
    fn fork(&self) -> Arc<dyn AnyTable> {
        Arc::new(self.clone())
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let row: R = rmp_serde::from_slice(bytes).map_err(|error| error.to_string())?;
        self.put(Arc::new(row));
        Ok(())
    }
}

impl dyn AnyTable {
    pub(crate) fn of<R: Row>(&self) -> &Table<R> {
        (self as &dyn Any).downcast_ref().expect("a table's slot is found by its row type")
    }

    pub(crate) fn of_mut<R: Row>(&mut self) -> &mut Table<R> {
        (self as &mut dyn Any).downcast_mut().expect("a table's slot is found by its row type")
    }
}
