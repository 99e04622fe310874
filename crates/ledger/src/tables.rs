//! Which tables a ledger has.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Row;
use crate::kind::Kind;
use crate::table::Table;

/// The tables of a ledger, named once, before it opens.
#[derive(Clone, Default)]
pub struct Tables {
    slots: BTreeMap<TypeId, usize>,
    names: BTreeMap<&'static str, usize>,
    empty: Vec<Arc<Table>>,
}

impl Tables {
    /// No table yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the table of `R`; adding it again changes nothing.
    ///
    /// # Panics
    /// When another row type has the same table name.
    #[must_use]
    pub fn with<R: Row>(mut self) -> Self {
        let (slot, id) = (self.empty.len(), TypeId::of::<R>());
        if self.slots.contains_key(&id) {
            return self;
        }
        assert!(!self.names.contains_key(R::TABLE), "two row types claim table {}", R::TABLE);
        self.slots.insert(id, slot);
        self.names.insert(R::TABLE, slot);
        self.empty.push(Arc::new(Table::empty(const { &Kind::of::<R>() })));
        self
    }

    /// Adds all tables of `other`.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let names: BTreeMap<usize, &'static str> =
            other.names.iter().map(|(name, slot)| (*slot, *name)).collect();
        for (id, slot) in &other.slots {
            if self.slots.contains_key(id) {
                continue;
            }
            let name = names[slot];
            assert!(!self.names.contains_key(name), "two row types claim table {name}");
            self.slots.insert(*id, self.empty.len());
            self.names.insert(name, self.empty.len());
            self.empty.push(Arc::clone(&other.empty[*slot]));
        }
        self
    }

    pub(crate) fn empty(&self) -> Vec<Arc<Table>> {
        self.empty.clone()
    }

    pub(crate) fn slot<R: Row>(&self) -> usize {
        match self.slots.get(&TypeId::of::<R>()) {
            Some(slot) => *slot,
            None => panic!("table {} is not registered with this ledger", R::TABLE),
        }
    }

    pub(crate) fn slot_named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.names.iter().map(|(name, slot)| (*name, *slot))
    }
}
