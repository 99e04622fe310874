//! How much a bucket holds.

use haar_kv::{Batch, KvError};

use super::{Record, Store};

/// Bytes and count of versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: i64,
    pub(crate) count: i64,
}

impl Usage {
    pub(crate) fn add(&mut self, record: &Record) {
        self.bytes += i64::try_from(record.size).unwrap_or(i64::MAX);
        self.count += i64::from(!record.is_marker);
    }

    pub(crate) fn subtract(&mut self, record: &Record) {
        self.bytes -= i64::try_from(record.size).unwrap_or(i64::MAX);
        self.count -= i64::from(!record.is_marker);
    }

    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    fn decode(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.first_chunk::<8>());
            bytes.map_or(0, |bytes| i64::from_be_bytes(*bytes))
        };
        Self { bytes: number(0), count: number(8) }
    }
}

impl Store {
    /// Counts what a change brings; its key's shard is locked.
    pub(super) fn count(
        &self,
        bucket: u64,
        shard: usize,
        change: Usage,
        batch: &mut Batch,
    ) -> Result<(), KvError> {
        let key = [&bucket.to_be_bytes()[..], &(shard as u16).to_be_bytes()].concat();
        let before = self.usage.get(&key)?.map(|bytes| Usage::decode(&bytes)).unwrap_or_default();
        let (bytes, count) = (before.bytes + change.bytes, before.count + change.count);
        let value = [bytes.to_be_bytes(), count.to_be_bytes()].concat();
        batch.put(&self.usage, key, value);
        Ok(())
    }

    /// What a bucket holds.
    pub(crate) fn usage_of(&self, bucket: u64) -> Result<Usage, KvError> {
        let mut sum = Usage::default();
        for entry in self.usage.prefix(bucket.to_be_bytes()) {
            let part = Usage::decode(&entry?.value);
            sum.bytes += part.bytes;
            sum.count += part.count;
        }
        Ok(sum)
    }
}
