//! Objects in kv, and the bytes that they name.
//!
//! ```text
//! s3.object   place -> the newest version of each key, delete markers too; the smallest objects
//!             with their bytes
//! s3.version  place, ~sequence -> the older versions, newest first, likewise
//! s3.body     place, ~sequence -> bytes of objects that are larger than that, but small
//! s3.held     digest, whose -> nothing: who needs which blob
//! s3.upload   place, upload id -> an upload in parts
//! s3.part     bucket, upload id, number -> one of its parts
//! s3.usage    bucket, shard -> bytes and count of what a bucket holds
//! ```
//!
//! **Invariant:** what one operation changes is one batch, made while nobody else may change the
//! key. **Invariant:** a record that names a blob stands in one batch with its line in `s3.held`.
//! **Invariant:** whoever sees a change, or its absence, is answered when that is on disk.

mod change;
mod clean;
mod key;
mod locks;
mod record;
mod settling;
mod upload;
mod usage;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use haar_blobs::Digest;
use haar_clock::IdSource;
use haar_kv::{Keyspace, Kv, KvError, Tallies};
use haar_ledger::Ledger;
use haar_types::Timestamp;
use haar_wire::AwsError;
use parking_lot::RwLock;

pub(crate) use change::{Change, Deleted, refuse_locked};
pub(crate) use key::{behind, key_of, place, prefix, version};
use locks::Locks;
pub(crate) use record::{
    Encryption, Headers, Held, Manner, PartOf, Place, Record, Retention, Segment, decode, encode,
};
use settling::Settling;
pub(crate) use settling::Sight;
pub(crate) use upload::{PartRecord, UploadRecord};
pub(crate) use usage::Usage;

use crate::refusal;
use crate::state::BucketRow;

/// All objects of this haar.
pub(crate) struct Store {
    kv: Kv,
    ids: IdSource,
    pub(crate) objects: Keyspace,
    pub(crate) versions: Keyspace,
    bodies: Keyspace,
    held: Keyspace,
    pub(crate) uploads: Keyspace,
    pub(crate) parts: Keyspace,
    usage: Tallies<{ usage::SUMS }>,
    locks: Locks,
    /// Buckets that are being deleted: their rows are there until that is on disk.
    going: RwLock<BTreeSet<u64>>,
    last_sequence: AtomicU64,
    settling: Settling,
}

impl Store {
    /// Opens the objects in `kv`.
    pub(crate) fn open(kv: &Kv, ids: &IdSource) -> Result<Self, KvError> {
        Ok(Self {
            kv: kv.clone(),
            ids: ids.clone(),
            objects: kv.keyspace("s3.object")?,
            versions: kv.keyspace("s3.version")?,
            bodies: kv.keyspace("s3.body")?,
            held: kv.keyspace("s3.held")?,
            uploads: kv.keyspace("s3.upload")?,
            parts: kv.keyspace("s3.part")?,
            usage: Tallies::new(kv.keyspace("s3.usage")?),
            locks: Locks::default(),
            going: RwLock::default(),
            last_sequence: AtomicU64::new(0),
            settling: Settling::default(),
        })
    }

    /// The newest version of a key, delete markers too.
    pub(crate) fn newest(&self, bucket: u64, key: &str) -> Result<Option<Record>, AwsError> {
        let found = self.objects.get(place(bucket, key)).map_err(|error| refusal::disk(&error))?;
        Ok(found.and_then(|bytes| Record::decode(&bytes)))
    }

    /// A version of a key by its id, or the newest.
    pub(crate) fn find(
        &self,
        bucket: u64,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Option<Record>, AwsError> {
        let newest = self.newest(bucket, key)?;
        let Some(wanted) = version_id else { return Ok(newest) };
        match newest {
            Some(newest) if newest.shown_id() == wanted => Ok(Some(newest)),
            Some(_) => self.find_older(&place(bucket, key), wanted),
            None => Ok(None),
        }
    }

    fn find_older(&self, place: &[u8], wanted: &str) -> Result<Option<Record>, AwsError> {
        match sequence_of(wanted) {
            Some(sequence) => {
                let found = self.versions.get(version(place, sequence));
                let found = found.map_err(|error| refusal::disk(&error))?;
                let record = found.and_then(|bytes| Record::decode(&bytes));
                Ok(record.filter(|record| record.shown_id() == wanted))
            }
            None if wanted == "null" => {
                let mut older = self.older(place);
                older.find(|found| !matches!(found, Ok(r) if r.version_id.is_some())).transpose()
            }
            None => Ok(None),
        }
    }

    /// The older versions of a key, the newest of them first.
    pub(crate) fn older(
        &self,
        place: &[u8],
    ) -> impl Iterator<Item = Result<Record, AwsError>> + use<> {
        self.versions.prefix(place).filter_map(|entry| match entry {
            Ok(entry) => Record::decode(&entry.value).map(Ok),
            Err(error) => Some(Err(refusal::disk(&error))),
        })
    }

    /// The bytes that stand beside a record.
    pub(crate) fn body(&self, bucket: u64, key: &str, sequence: u64) -> Result<Bytes, AwsError> {
        let found = self.bodies.get(version(&place(bucket, key), sequence));
        let found = found.map_err(|error| refusal::disk(&error))?;
        found.ok_or_else(|| {
            tracing::debug!(key, "the bytes of an object are gone, with it or without");
            AwsError::internal_failure("We encountered an internal error. Please try again.")
        })
    }

    /// A version's bytes for another record: the same blobs, or those that stand with it.
    pub(crate) fn held(&self, bucket: u64, key: &str, record: &Record) -> Result<Held, AwsError> {
        Ok(match &record.bytes {
            Place::Nowhere => Held::Blobs(Vec::new()),
            Place::Within(bytes) => Held::Inline(bytes.clone()),
            Place::Beside => Held::Inline(self.body(bucket, key, record.sequence)?),
            Place::Blobs(segments) => Held::Blobs(segments.clone()),
        })
    }

    /// Changes one key of a bucket that is still there, alone; what the work makes of it is
    /// visible at once, and on disk after [`Self::sync`]; until then [`Self::seen`] keeps readers.
    pub(crate) fn change<T>(
        &self,
        ledger: &Ledger,
        bucket: &BucketRow,
        key: &str,
        now: Timestamp,
        work: impl FnOnce(&mut Change<'_>, &BucketRow) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let _stays = self.locks.stay(bucket.id);
        let mut change = Change::new(self, bucket.id, key, now);
        let _alone = self.locks.key(change.shard);
        // alone by now: whoever changed the key before knew no later state of the bucket
        let is_going = self.going.read().contains(&bucket.id);
        let row = ledger.snapshot().get::<BucketRow>(&bucket.name);
        let row = row.filter(|row| row.id == bucket.id && !is_going);
        let row = row.ok_or_else(|| refusal::no_such_bucket(&bucket.name))?;
        let outcome = work(&mut change, &row)?;
        change.apply().map_err(|error| refusal::disk(&error))?;
        Ok(outcome)
    }

    /// Runs `work`, which reads, while nobody changes the key.
    pub(crate) fn alone<T>(&self, bucket: u64, key: &str, work: impl FnOnce() -> T) -> T {
        let _alone = self.locks.key(Locks::shard(&place(bucket, key)));
        work()
    }

    /// Runs `work`, which takes a bucket away, if it holds no object; nothing is written into it
    /// from then on for as long as what is answered beside is there.
    pub(crate) fn while_empty<T>(
        &self,
        bucket: &BucketRow,
        work: impl FnOnce() -> Result<T, AwsError>,
    ) -> Result<(T, Going<'_>), AwsError> {
        let _empty = self.locks.empty(bucket.id);
        let range = prefix(bucket.id, "");
        let one = self.objects.prefix(&range).next().or(self.versions.prefix(&range).next());
        match one {
            Some(Ok(_)) => Err(refusal::bucket_not_empty(bucket)),
            Some(Err(error)) => Err(refusal::disk(&error)),
            None => {
                self.going.write().insert(bucket.id);
                let going = Going { store: self, bucket: bucket.id };
                Ok((work()?, going))
            }
        }
    }

    /// All blobs that records name.
    pub(crate) fn held_blobs(&self, held: &mut BTreeSet<Digest>) -> Result<(), KvError> {
        let mut last = None;
        for entry in self.held.all() {
            let entry = entry?;
            let bytes = entry.key.first_chunk::<32>().copied();
            if bytes == last {
                continue;
            }
            last = bytes;
            held.extend(bytes.map(Digest::from_bytes));
        }
        Ok(())
    }

    /// Later than `than`, and than all that were drawn before.
    fn next_sequence(&self, now: Timestamp, than: u64) -> u64 {
        let least = (u64::try_from(now.0).unwrap_or(0) << 20).max(than + 1);
        let next = |last: u64| Some((last + 1).max(least));
        let order = Ordering::Relaxed;
        let last = self.last_sequence.fetch_update(order, order, next);
        last.map_or(least, |last| (last + 1).max(least))
    }
}

/// A version's id: its sequence and chance, 32 letters.
pub(crate) fn version_id(sequence: u64, chance: [u8; 16]) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 24];
    bytes[8..].copy_from_slice(&chance);
    for (at, byte) in sequence.to_be_bytes().into_iter().enumerate() {
        bytes[at] = byte ^ chance[at];
    }
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).replace('-', ".")
}

/// The sequence within a version's id.
pub(crate) fn sequence_of(version_id: &str) -> Option<u64> {
    use base64::Engine as _;
    let text = version_id.replace('.', "-");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    let bytes: [u8; 24] = bytes.try_into().ok()?;
    let mut sequence = [0; 8];
    for at in 0..8 {
        sequence[at] = bytes[at] ^ bytes[at + 8];
    }
    Some(u64::from_be_bytes(sequence))
}

/// A bucket on its way out. Dropped when it is gone for all to see, stays after all, or nobody
/// waits for that any more.
pub(crate) struct Going<'a> {
    store: &'a Store,
    bucket: u64,
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.store.going.write().remove(&self.bucket);
    }
}

#[cfg(test)]
mod tests {
    use haar_s3_contract::model::BucketVersioningStatus::Enabled;
    use haar_types::{AccountId, Region};

    use super::*;

    #[test]
    fn a_change_that_waited_for_its_key_goes_by_the_bucket_as_it_is_then() {
        let (account, region) = (AccountId::default(), Region::default());
        let mut row = BucketRow::new("bbb".to_owned(), 1, account, region, Timestamp(0));
        let ledger = Ledger::ephemeral(crate::tables());
        ledger.write(|tx| tx.put(row.clone())).early().unwrap();
        let store = Store::open(&Kv::ephemeral(), &IdSource::seeded(7)).unwrap();
        let (before, now) = (row.clone(), Timestamp(1_800_000_000_000));
        let change = || store.change(&ledger, &before, "k", now, |_, row| Ok(row.versioning));
        std::thread::scope(|scope| {
            let waiting = store.alone(1, "k", || {
                let (begins, begun) = std::sync::mpsc::channel();
                let waiting = scope.spawn(move || {
                    begins.send(()).unwrap();
                    change().unwrap()
                });
                begun.recv().unwrap();
                (0..10_000).for_each(|_| std::thread::yield_now()); // it comes to the lock
                row.versioning = Some(Enabled);
                ledger.write(|tx| tx.put(row.clone())).early().unwrap();
                waiting
            });
            assert_eq!(waiting.join().unwrap(), Some(Enabled));
        });
    }

    #[test]
    fn a_version_id_holds_its_sequence() {
        let id = version_id(1_800_000_000_000 << 20, *b"0123456789abcdef");
        assert_eq!(id.len(), 32);
        assert_eq!(sequence_of(&id), Some(1_800_000_000_000 << 20));
        assert_eq!(sequence_of("null"), None);
        assert_eq!(sequence_of("UIORUnfndfiufdisojhr398493jfdkjFJjkndnqUifhnw89493jJFJ"), None);
    }
}
