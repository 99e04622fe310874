//! Records that live as long as the process.

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::RwLock;

use crate::Batch;

#[derive(Default)]
pub(crate) struct Memory {
    records: RwLock<OrdMap<Bytes, Bytes>>,
}

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
}
