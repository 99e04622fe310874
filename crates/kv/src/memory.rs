//! Records that live as long as the process.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::RwLock;
use tokio::sync::OwnedRwLockWriteGuard;

use crate::Batch;

#[derive(Default)]
pub(crate) struct Memory {
    records: RwLock<OrdMap<Bytes, Bytes>>,
    /// Held by whoever plays a slow disk.
    flushing: Arc<tokio::sync::RwLock<()>>,
}

/// A flush that does not end before this is dropped.
#[derive(Debug)]
pub struct HeldFlush(#[allow(dead_code)] OwnedRwLockWriteGuard<()>); // held, not read

impl Memory {
    pub(crate) fn get(&self, place: &[u8]) -> Option<Bytes> {
        self.records.read().get(place).cloned()
    }

    pub(crate) fn now(&self) -> OrdMap<Bytes, Bytes> {
        self.records.read().clone()
    }

    pub(crate) fn apply(&self, batch: Batch) {
        let mut records = self.records.write();
        for (place, value) in batch.writes {
            match value {
                Some(value) => _ = records.insert(place, value),
                None => _ = records.remove(&place),
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.records.write().clear();
    }

    pub(crate) fn hold_flushes(&self) -> Option<HeldFlush> {
        Arc::clone(&self.flushing).try_write_owned().ok().map(HeldFlush)
    }

    pub(crate) async fn sync(&self) {
        if let Err(_held) = self.flushing.try_read() {
            drop(self.flushing.read().await);
        }
    }
}
