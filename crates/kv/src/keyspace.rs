//! One ordered map of records.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

use crate::range::{self, Range};
use crate::{Batch, Durability, Kv, KvError};

/// Records that a range removal removes at a time.
const REMOVE_CHUNK: usize = 4096;

/// Records that a clearing removes before others have their turn.
const CLEAR_CHUNK: usize = 1024;

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

    /// How often all records of all keyspaces were removed.
    pub(crate) fn resets(&self) -> u64 {
        self.kv.resets()
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
        let (low, high) = self.places(bounds);
        self.kv.range(low, high, self.name.len() + 1)
    }

    fn places<K: AsRef<[u8]>>(&self, bounds: impl RangeBounds<K>) -> (Bound<Bytes>, Bound<Bytes>) {
        let place = |key: &K| self.place(key.as_ref());
        let low = match bounds.start_bound().map(place) {
            Bound::Unbounded => Bound::Included(self.place(b"")),
            bound => bound,
        };
        let high = match bounds.end_bound().map(place) {
            Bound::Unbounded => range::of_prefix(&self.place(b"")).1,
            bound => bound,
        };
        (low, high)
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

    /// Removes the records within `bounds`, buffered, however many: aside and in pieces, between
    /// which others have their turn; how many. Dropped, or killed, it has removed the first of
    /// them, and a second call goes on. Nobody else may write within the bounds meanwhile.
    ///
    /// # Errors
    /// When a piece cannot be read or written; those before it are gone.
    pub async fn clear_range<K: AsRef<[u8]>>(
        &self,
        bounds: impl RangeBounds<K>,
    ) -> Result<usize, KvError> {
        let (mut low, high) = self.places(bounds);
        let mut count = 0;
        loop {
            let (space, high) = (self.clone(), high.clone());
            let piece = self.kv.aside(move || space.clear_piece(low, high)).await?;
            count += piece.count;
            let Some(last) = piece.last else { return Ok(count) };
            low = Bound::Excluded(last); // so that no tombstones are read again
        }
    }

    /// Removes the records whose key begins with `prefix`, likewise.
    ///
    /// # Errors
    /// As [`Self::clear_range`].
    pub async fn clear_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<usize, KvError> {
        self.clear_range(range::of_prefix(prefix.as_ref())).await
    }

    fn clear_piece(&self, low: Bound<Bytes>, high: Bound<Bytes>) -> Result<Piece, KvError> {
        let mut batch = Batch::new();
        for entry in self.kv.range(low, high, self.name.len() + 1).take(CLEAR_CHUNK) {
            batch.remove(self, entry?.key);
        }
        let (count, last) = (batch.len(), batch.writes.last_key_value());
        let last = last.map(|(place, _)| place.clone()).filter(|_| count == CLEAR_CHUNK);
        self.kv.apply(batch)?;
        Ok(Piece { count, last })
    }

    /// Where a key stands among the keys of all keyspaces: behind the name and a zero byte.
    pub(crate) fn place(&self, key: &[u8]) -> Bytes {
        [self.name.as_bytes(), &[0], key].concat().into()
    }
}

/// What one step of a clearing removed.
struct Piece {
    count: usize,
    /// The place of the last record, where there may be more.
    last: Option<Bytes>,
}
