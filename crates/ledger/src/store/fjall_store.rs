//! Rows in a fjall database, one journal flush per batch.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::StoreError;
use crate::store::{Batch, Store, Visit};

/// Blocks are read at start only, so the cache stays small.
const CACHE_BYTES: u64 = 1 << 20;
/// Rows are in memory already; what waits to be sorted onto disk stays small.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// The smallest that the engine allows.
const JOURNAL_BYTES: u64 = 64 << 20;

/// A directory with the rows; one process at a time.
pub struct FjallStore {
    database: Database,
    rows: Keyspace,
}

impl FjallStore {
    /// Opens or creates the directory `dir`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let database = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()
            .map_err(|error| open_error(dir, error))?;
        let rows = database
            .keyspace("rows", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))
            .map_err(StoreError::backend)?;
        Ok(Self { database, rows })
    }
}

impl Store for FjallStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut writes = self.database.batch().durability(Some(PersistMode::SyncData));
        for (table, key, value) in batch.iter() {
            let at = join(table, key);
            match value {
                Some(value) => writes.insert(&self.rows, at, value),
                None => writes.remove(&self.rows, at),
            }
        }
        writes.commit().map_err(StoreError::backend)
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in self.rows.iter() {
            let (at, value) = entry.into_inner().map_err(StoreError::backend)?;
            let (table, key) = split(&at)?;
            if !visit(table, key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.rows.clear().map_err(StoreError::backend)?;
        self.database.persist(PersistMode::SyncData).map_err(StoreError::backend)
    }
}

fn open_error(dir: &Path, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Locked(dir.to_owned()),
        error => StoreError::backend(error),
    }
}

/// The engine's key: the table's name, a zero byte, the row's key.
fn join(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], key].concat()
}

fn split(at: &[u8]) -> Result<(&str, &[u8]), StoreError> {
    let zero = at.iter().position(|byte| *byte == 0);
    let parts = zero.map(|zero| (str::from_utf8(&at[..zero]), &at[zero + 1..]));
    match parts {
        Some((Ok(table), key)) => Ok((table, key)),
        _ => Err(StoreError::backend("a stored key names no table")),
    }
}
