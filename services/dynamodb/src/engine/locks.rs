//! One lock for each shard of all items.

use parking_lot::{Mutex, MutexGuard};

/// How many; an item's lock is found by table and partition.
const SHARDS: usize = 64;

/// The locks.
pub(crate) struct Locks(Vec<Mutex<()>>);

impl Locks {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(())).collect())
    }

    /// The shard of a partition; `spread` are the first bytes of its key.
    pub(crate) fn shard(table: u64, key: &[u8]) -> u8 {
        let spread = u64::from(key.first().copied().unwrap_or(0)) << 8
            | u64::from(key.get(1).copied().unwrap_or(0));
        ((table ^ spread ^ (spread >> 7)) % SHARDS as u64) as u8
    }

    /// Locks one shard.
    pub(crate) fn lock(&self, shard: u8) -> MutexGuard<'_, ()> {
        self.0[usize::from(shard)].lock()
    }

    /// Locks several, always in the same order.
    pub(crate) fn lock_all(&self, mut shards: Vec<u8>) -> Vec<MutexGuard<'_, ()>> {
        shards.sort_unstable();
        shards.dedup();
        shards.into_iter().map(|shard| self.lock(shard)).collect()
    }

    /// Returns once everyone has ended who held a lock when it was called: whoever comes later
    /// sees the tables as they are now.
    pub(crate) fn barrier(&self) {
        self.0.iter().for_each(|lock| drop(lock.lock()));
    }
}
