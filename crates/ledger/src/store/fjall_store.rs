//! Rows as records of a kv store of the ledger's own, one flush of the disk per batch.

use std::path::Path;

use haar_kv::{Durability, Keyspace, Kv, KvError, Sizes};

use crate::StoreError;
use crate::store::{Batch, Store, Visit, Work};

/// Rows are in memory already and are read from disk at start only. Of a disk that fills up the
/// last is for them.
const SIZES: Sizes =
    Sizes { cache_bytes: 1 << 20, memtable_bytes: 4 << 20, reserve_bytes: 32 << 20 };

/// A directory with the rows; one process at a time.
pub struct FjallStore {
    kv: Kv,
    rows: Keyspace,
}

impl FjallStore {
    /// Opens or creates the directory `dir`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let kv = Kv::open_sized(dir, SIZES)?;
        let rows = kv.keyspace("rows")?;
        Ok(Self { kv, rows })
    }

    /// Waits until rows that nobody added to any more were sorted onto the disk; see
    /// [`Kv::written_out`].
    pub async fn written_out(&self) {
        self.kv.written_out().await;
    }
}

impl FjallStore {
    fn writes(&self, batch: &Batch) -> haar_kv::Batch {
        let mut writes = haar_kv::Batch::new();
        for (table, key, value) in batch.iter() {
            let at = join(table, key);
            match value {
                Some(value) => writes.put(&self.rows, at, value.to_vec()),
                None => writes.remove(&self.rows, at),
            }
        }
        writes
    }
}

impl Store for FjallStore {
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        Ok(self.kv.apply_as(self.writes(batch), Durability::Synced)?)
    }

    fn stage(&self, batch: &Batch) -> Result<(), StoreError> {
        Ok(self.kv.stage(self.writes(batch))?)
    }

    fn is_at_ease(&self) -> bool {
        self.kv.is_at_ease()
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(self.kv.flush()?)
    }

    fn ahead(&self) -> Option<Work> {
        self.kv.ahead().map(|work| Box::new(work) as Work)
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for entry in self.rows.all() {
            let entry = entry?;
            let (table, key) = split(&entry.key)?;
            if !visit(table, key, &entry.value) {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StoreError> {
        Ok(self.kv.reset()?)
    }
}

impl From<KvError> for StoreError {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Locked(dir) => Self::Locked(dir),
            KvError::Full(_) => Self::Full,
            error => Self::backend(error),
        }
    }
}

/// The record's key: the table's name, a zero byte, the row's key.
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
