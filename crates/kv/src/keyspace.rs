//! One ordered map of records.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

use crate::range::{self, Range};
use crate::{Batch, Durability, Kv, KvError};

/// Records that a range removal removes at a time.
const REMOVE_CHUNK: usize = 4096;

/// A named, ordered map from bytes to bytes. Cheap to clone.
#[derive(Clone)]
pub struct Keyspace {
    kv: Kv,
    name: &'static str,
}

impl Keyspace {
    pub(crate) fn new(kv: Kv, name: &'static str) -> Self {
        Self { kv, name }
    }

    /// The name it was opened by.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The record of that key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, KvError> {
        self.kv.get(&self.place(key.as_ref()))
    }

    /// Writes a record, buffered, over the one of its key, if any.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.put(self, key, value);
        self.kv.apply(batch)
    }

    /// Writes one record and waits for the disk.
    pub async fn put_synced(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
    ) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.put(self, key, value);
        self.kv.commit(batch, Durability::Synced).await
    }

    /// Removes a record, buffered; none is fine.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.remove(self, key);
        self.kv.apply(batch)
    }

    /// The records within `bounds`, by key, lazily, as they are now; also from the end.
    pub fn range<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> Range {
        let place = |key: &K| self.place(key.as_ref());
        let low = match bounds.start_bound().map(place) {
            Bound::Unbounded => Bound::Included(self.place(b"")),
            bound => bound,
        };
        let high = match bounds.end_bound().map(place) {
            Bound::Unbounded => range::of_prefix(&self.place(b"")).1,
            bound => bound,
        };
        self.kv.range(low, high, self.name.len() + 1)
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

    /// Where a key stands among the keys of all keyspaces: behind the name and a zero byte.
    pub(crate) fn place(&self, key: &[u8]) -> Bytes {
        [self.name.as_bytes(), &[0], key].concat().into()
    }
}
