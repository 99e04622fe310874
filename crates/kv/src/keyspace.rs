//! One ordered map of records.

use std::ops::RangeBounds;

use bytes::Bytes;

use crate::range::{self, Range};
use crate::{Batch, Durability, Kv, KvError};

/// A named, ordered map from bytes to bytes. Cheap to clone.
#[derive(Clone)]
pub struct Keyspace {
    pub(crate) kv: Kv,
    pub(crate) name: &'static str,
    pub(crate) disk: Option<fjall::Keyspace>,
}

/// Writes that a prefix removal makes at a time.
const REMOVE_CHUNK: usize = 4096;

impl Keyspace {
    /// The name it was opened by.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The record of that key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, KvError> {
        match &self.disk {
            Some(disk) => Ok(disk.get(key)?.map(|value| Bytes::copy_from_slice(&value))),
            None => Ok(self.kv.memory().get(self.name, key.as_ref())),
        }
    }

    /// Writes a record, buffered, over the one of its key, if any.
    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.put(self, key, value);
        self.kv.apply(batch)
    }

    /// Removes a record, buffered; none is fine.
    pub fn remove(&self, key: impl Into<Bytes>) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.remove(self, key);
        self.kv.apply(batch)
    }

    /// The records within `bounds`, by key, lazily, as they are now; also from the end.
    pub fn range<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> Range {
        let (low, high) = range::owned(&bounds);
        match &self.disk {
            _ if range::holds_nothing(&low, &high) => Range::nothing(),
            Some(disk) => Range::on_disk(self.kv.disk().range(disk, (low, high))),
            None => Range::in_memory(self.kv.memory().map(self.name), low, high),
        }
    }

    /// The records whose key begins with `prefix`, by key, lazily; also from the end.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range {
        self.range(range::of_prefix(prefix.as_ref()))
    }

    /// All records.
    pub fn all(&self) -> Range {
        self.range::<&[u8]>(..)
    }

    /// Removes the records within `bounds`, buffered, some thousands at a time; how many.
    pub fn remove_range<K: AsRef<[u8]>>(
        &self,
        bounds: impl RangeBounds<K>,
    ) -> Result<usize, KvError> {
        let (mut count, mut batch) = (0, Batch::new());
        for entry in self.range(bounds) {
            batch.remove(self, entry?.key);
            count += 1;
            if batch.len() == REMOVE_CHUNK {
                self.kv.apply(std::mem::take(&mut batch))?;
            }
        }
        self.kv.apply(batch)?;
        Ok(count)
    }

    /// Removes the records whose key begins with `prefix`, likewise.
    pub fn remove_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<usize, KvError> {
        self.remove_range(range::of_prefix(prefix.as_ref()))
    }

    /// Writes one record and waits for the disk.
    pub async fn put_synced(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.put(self, key, value);
        self.kv.commit(batch, Durability::Synced).await
    }
}
