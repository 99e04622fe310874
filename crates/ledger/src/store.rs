//! The durable half: a small trait, so that a backend is a few dozen lines.

use std::collections::BTreeMap;

use crate::StoreError;

mod fjall_store;
mod memory;

pub use fjall_store::FjallStore;
pub use memory::MemoryStore;

/// Keeps rows as bytes. One suite tests all backends.
pub trait Store: Send + Sync + 'static {
    /// Writes a batch as a whole or not at all; on return it survives a crash of the machine.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Takes a batch, as a whole, that the next [`Self::flush`] brings to the disk, behind all that
    /// came before it. Where this returns with an error nothing of it was taken.
    fn stage(&self, batch: &Batch) -> Result<(), StoreError> {
        self.commit(batch)
    }

    /// True when [`Self::stage`] only computes, as things are: it may be called where a thread must
    /// not wait.
    fn is_at_ease(&self) -> bool {
        false
    }

    /// Returns once what was staged survives a crash of the machine.
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Work that makes the next flushes quicker, if any is due: for after one. It may take
    /// milliseconds, on whichever thread, and may be left out.
    fn ahead(&self) -> Option<Work> {
        None
    }

    /// Shows every row (table, key, value) until `visit` answers false.
    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Removes all rows, durably.
    fn clear(&self) -> Result<(), StoreError>;
}

/// Something to be done once, on any thread.
pub type Work = Box<dyn FnOnce() + Send>;

/// Sees table, key and value of a row; false ends the scan.
pub type Visit<'a> = dyn FnMut(&str, &[u8], &[u8]) -> bool + 'a;

/// Writes that belong together, each row once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    rows: BTreeMap<(&'static str, Vec<u8>), Option<Vec<u8>>>,
}

impl Batch {
    /// Writes a row, or removes it with `None`; the last word on a row holds.
    pub fn set(&mut self, table: &'static str, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.rows.insert((table, key), value);
    }

    /// Adds the writes of a later batch.
    pub fn append(&mut self, later: Self) {
        self.rows.extend(later.rows); // each in its place: the map's own `append` builds it anew
    }

    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The writes: table, key, and the value or `None` for a removal.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8], Option<&[u8]>)> {
        self.rows.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }
}
