//! Who may change which records now.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Keys that are locked apart from each other, about.
pub(crate) const SHARDS: usize = 256;
/// Buckets likewise.
const BUCKET_SHARDS: usize = 64;

/// Locks over keys and buckets; none is held across an await.
pub(crate) struct Locks {
    keys: Vec<Mutex<()>>,
    buckets: Vec<RwLock<()>>,
}

impl Default for Locks {
    fn default() -> Self {
        Self {
            keys: (0..SHARDS).map(|_| Mutex::default()).collect(),
            buckets: (0..BUCKET_SHARDS).map(|_| RwLock::default()).collect(),
        }
    }
}

impl Locks {
    /// Which of the keys' locks a place has.
    pub(crate) fn shard(place: &[u8]) -> usize {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        (hasher.finish() % SHARDS as u64) as usize
    }

    /// Alone with a key.
    pub(crate) fn key(&self, shard: usize) -> MutexGuard<'_, ()> {
        self.keys[shard].lock()
    }

    /// The bucket stays while this is held. Taken before a key's.
    pub(crate) fn stay(&self, bucket: u64) -> RwLockReadGuard<'_, ()> {
        self.buckets[(bucket % BUCKET_SHARDS as u64) as usize].read()
    }

    /// Nothing is written into the bucket while this is held.
    pub(crate) fn empty(&self, bucket: u64) -> RwLockWriteGuard<'_, ()> {
        self.buckets[(bucket % BUCKET_SHARDS as u64) as usize].write()
    }
}
