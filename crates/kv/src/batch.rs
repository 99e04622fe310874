//! Writes that belong together.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Keyspace;

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the operating system has it: survives the death of haar.
    Buffered,
    /// Once the disk has it: survives the death of the machine.
    Synced,
}

/// Writes of one or many keyspaces, applied as a whole by [`Kv::commit`](crate::Kv::commit).
/// The last word on a key holds.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) writes: BTreeMap<Bytes, Option<Bytes>>,
}

impl Batch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a record over the one of its key, if any.
    pub fn put(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        self.writes.insert(keyspace.place(key.as_ref()), Some(value.into()));
    }

    /// Removes a record; none is fine.
    pub fn remove(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) {
        self.writes.insert(keyspace.place(key.as_ref()), None);
    }

    /// How many records it touches.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// True when it touches none.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
