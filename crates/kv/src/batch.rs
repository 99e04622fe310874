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
    frees_room: bool,
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

    /// Says that it is there to remove, though it puts something small as well, such as a count:
    /// it may use room that is kept free for removals.
    pub fn free_room(&mut self) {
        self.frees_room = true;
    }

    /// True for one that only removes, or says so.
    pub(crate) fn frees_room(&self) -> bool {
        self.frees_room || self.writes.values().all(Option::is_none)
    }

    /// Bytes of all its keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        let value = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let sum: usize = self.writes.iter().map(|(key, found)| key.len() + value(found)).sum();
        sum as u64
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
