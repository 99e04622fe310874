//! Keyspaces that live as long as the process.

use std::collections::BTreeMap;

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::RwLock;

use crate::Batch;

#[derive(Default)]
pub(crate) struct Memory {
    keyspaces: RwLock<BTreeMap<&'static str, OrdMap<Bytes, Bytes>>>,
}

impl Memory {
    pub(crate) fn get(&self, keyspace: &str, key: &[u8]) -> Option<Bytes> {
        self.keyspaces.read().get(keyspace)?.get(key).cloned()
    }

    pub(crate) fn map(&self, keyspace: &str) -> OrdMap<Bytes, Bytes> {
        self.keyspaces.read().get(keyspace).cloned().unwrap_or_default()
    }

    pub(crate) fn apply(&self, batch: Batch) {
        let mut keyspaces = self.keyspaces.write();
        for (keyspace, key, value) in batch.writes {
            let map = keyspaces.entry(keyspace.name).or_default();
            match value {
                Some(value) => _ = map.insert(key, value),
                None => _ = map.remove(&key),
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.keyspaces.write().clear();
    }
}
