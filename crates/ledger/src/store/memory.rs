//! A store that lives as long as its handle: what a simulated disk keeps.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::StoreError;
use crate::store::{Batch, Store, Visit};

/// Rows in memory. Outlives the ledgers that are opened on it, so a crash can be simulated.
#[derive(Default)]
pub struct MemoryStore {
    disk: Mutex<Disk>,
}

#[derive(Default)]
struct Disk {
    rows: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    broken: bool,
}

impl MemoryStore {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes writes fail (true) or work again (false).
    pub fn break_writes(&self, broken: bool) {
        self.disk.lock().broken = broken;
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        disk.check()?;
        for (table, key, value) in batch.iter() {
            let at = (table.to_owned(), key.to_vec());
            match value {
                Some(value) => _ = disk.rows.insert(at, value.to_vec()),
                None => _ = disk.rows.remove(&at),
            }
        }
        Ok(())
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let disk = self.disk.lock();
        _ = disk.rows.iter().all(|((table, key), value)| visit(table, key, value));
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        disk.check()?;
        disk.rows.clear();
        Ok(())
    }
}

impl Disk {
    fn check(&self) -> Result<(), StoreError> {
        match self.broken {
            true => Err(StoreError::backend("the simulated disk is broken")),
            false => Ok(()),
        }
    }
}
