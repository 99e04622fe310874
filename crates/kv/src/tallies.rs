//! Sums that stand in a keyspace.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use parking_lot::Mutex;

use crate::{Batch, Keyspace, KvError};

/// Parts of those in memory, each under a lock of its own.
const PARTS: usize = 16;

/// Sums that are known in one part at most; then it forgets all of them.
const KNOWN_MAX: usize = 256;

/// Sums of `N` numbers each, in a keyspace of their own. To add to one is part of almost every
/// batch: those added to of late are kept in memory as well, so that it takes no look into the
/// records.
pub struct Tallies<const N: usize> {
    keyspace: Keyspace,
    parts: Vec<Mutex<Part<N>>>,
}

#[derive(Clone, Default)]
struct Part<const N: usize> {
    known: BTreeMap<Vec<u8>, [i64; N]>,
    /// When it was, in removals of all records.
    age: u64,
}

impl<const N: usize> Tallies<N> {
    /// The sums in a keyspace, which nobody else writes to.
    pub fn new(keyspace: Keyspace) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { keyspace, parts }
    }

    /// Where they stand.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Adds to a sum with a batch. While that is made and applied nobody else may add to the same
    /// one; if it is not applied after all, [`Self::forget`] comes next.
    ///
    /// # Errors
    /// When the sum cannot be read.
    pub fn add(&self, batch: &mut Batch, key: &[u8], more: [i64; N]) -> Result<(), KvError> {
        let mut part = self.part(key).lock();
        let age = self.keyspace.resets();
        if part.age != age || part.known.len() >= KNOWN_MAX {
            *part = Part { known: BTreeMap::new(), age };
        }
        let mut sum = match part.known.get(key) {
            Some(known) => *known,
            None => self.keyspace.get(key)?.map_or([0; N], |value| read(&value)),
        };
        for (number, more) in sum.iter_mut().zip(more) {
            *number += more;
        }
        part.known.insert(key.to_vec(), sum);
        let value: Vec<u8> = sum.iter().flat_map(|number| number.to_be_bytes()).collect();
        batch.put(&self.keyspace, key, value);
        Ok(())
    }

    /// All sums whose keys begin with `prefix`, together.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sum(&self, prefix: impl AsRef<[u8]>) -> Result<[i64; N], KvError> {
        let mut sum = [0; N];
        for entry in self.keyspace.prefix(prefix) {
            for (number, more) in sum.iter_mut().zip(read::<N>(&entry?.value)) {
                *number += more;
            }
        }
        Ok(sum)
    }

    /// Removes the sums whose keys begin with `prefix`, however many. Nobody adds to them
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Keyspace::clear_range`].
    pub async fn clear_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<usize, KvError> {
        let cleared = self.keyspace.clear_prefix(prefix).await;
        self.forget();
        cleared
    }

    /// Keeps no sum in memory any more.
    pub fn forget(&self) {
        for part in &self.parts {
            part.lock().known.clear();
        }
    }

    fn part(&self, key: &[u8]) -> &Mutex<Part<N>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        &self.parts[(hasher.finish() % PARTS as u64) as usize]
    }
}

/// What is not there is nought: older sums had fewer numbers.
fn read<const N: usize>(value: &[u8]) -> [i64; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(value.as_chunks::<8>().0) {
        *number = i64::from_be_bytes(*bytes);
    }
    numbers
}
