//! How much a bucket holds.

use haar_kv::{Batch, KvError};
use haar_s3_contract::model::StorageClass;

use super::{Record, Store};

/// Bytes and count of versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: i64,
    pub(crate) count: i64,
    /// Of the bytes, those in the class `GLACIER`.
    pub(crate) glacier: i64,
    /// Of the bytes, those in the class `DEEP_ARCHIVE`.
    pub(crate) deep: i64,
}

impl Usage {
    /// Of one version.
    fn of(record: &Record) -> Self {
        let bytes = i64::try_from(record.size).unwrap_or(i64::MAX);
        let class = record.manner.headers.storage_class;
        let of_class = |wanted| if class == Some(wanted) { bytes } else { 0 };
        Self {
            bytes,
            count: i64::from(!record.is_marker),
            glacier: of_class(StorageClass::Glacier),
            deep: of_class(StorageClass::DeepArchive),
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        *self = self.and(Self::of(record), 1);
    }

    pub(crate) fn subtract(&mut self, record: &Record) {
        *self = self.and(Self::of(record), -1);
    }

    /// With so many times another.
    fn and(self, other: Self, times: i64) -> Self {
        Self {
            bytes: self.bytes + other.bytes * times,
            count: self.count + other.count * times,
            glacier: self.glacier + other.glacier * times,
            deep: self.deep + other.deep * times,
        }
    }

    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
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
        let Usage { bytes, count, glacier, deep } = change;
        self.usage.add(batch, &key, [bytes, count, glacier, deep])
    }

    /// What a bucket holds.
    pub(crate) fn usage_of(&self, bucket: u64) -> Result<Usage, KvError> {
        let [bytes, count, glacier, deep] = self.usage.sum(bucket.to_be_bytes())?;
        Ok(Usage { bytes, count, glacier, deep })
    }
}
