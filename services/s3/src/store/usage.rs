//! How much a bucket holds.

use haar_kv::{Batch, KvError};
use haar_s3_contract::model::StorageClass;

use super::{Record, Store};

/// Classes whose bytes are counted by themselves, in the order in which their sums are kept: what
/// comes new comes last. All other bytes are of the class `STANDARD`.
const CLASSES: [StorageClass; 6] = [
    StorageClass::Glacier,
    StorageClass::DeepArchive,
    StorageClass::StandardIa,
    StorageClass::OnezoneIa,
    StorageClass::GlacierIr,
    StorageClass::IntelligentTiering,
];

/// Numbers that are kept: bytes, count, and bytes of each class.
pub(super) const SUMS: usize = 2 + CLASSES.len();

/// Bytes and count of versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: i64,
    pub(crate) count: i64,
    of_classes: [i64; CLASSES.len()],
}

impl Usage {
    /// Of one version.
    fn of(record: &Record) -> Self {
        let bytes = i64::try_from(record.size).unwrap_or(i64::MAX);
        let class = record.manner.headers.storage_class;
        let of_classes = CLASSES.map(|one| if class == Some(one) { bytes } else { 0 });
        Self { bytes, count: i64::from(!record.is_marker), of_classes }
    }

    /// Bytes of one class. What was put before a class had its own sum counts as `STANDARD`.
    pub(crate) fn of_class(&self, class: StorageClass) -> i64 {
        let sums = || CLASSES.iter().zip(self.of_classes).map(|(one, sum)| (*one, sum.max(0)));
        match sums().find(|(one, _)| *one == class) {
            Some((_, sum)) => sum,
            None => self.bytes - sums().map(|(_, sum)| sum).sum::<i64>(),
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        *self = self.and(Self::of(record), 1);
    }

    pub(crate) fn subtract(&mut self, record: &Record) {
        *self = self.and(Self::of(record), -1);
    }

    /// With so many times another.
    fn and(mut self, other: Self, times: i64) -> Self {
        self.bytes += other.bytes * times;
        self.count += other.count * times;
        for (sum, more) in self.of_classes.iter_mut().zip(other.of_classes) {
            *sum += more * times;
        }
        self
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
        let Usage { bytes, count, of_classes: [a, b, c, d, e, f] } = change;
        self.usage.add(batch, &key, [bytes, count, a, b, c, d, e, f])
    }

    /// What a bucket holds.
    pub(crate) fn usage_of(&self, bucket: u64) -> Result<Usage, KvError> {
        let [bytes, count, of_classes @ ..] = self.usage.sum(bucket.to_be_bytes())?;
        Ok(Usage { bytes, count, of_classes })
    }
}
