//! Records that were read lately, found without the engine's search.
//!
//! To look up one record the engine walks a list of all that was written of late, some twenty steps
//! far apart in memory; what many ask for is found here in one.
//!
//! **Invariant:** what stands here is what the engine would answer. A writer takes its keys out
//! before the engine has the new values and lets nothing in where they belong until it has; whoever
//! read meanwhile keeps what was read to itself.

#![allow(clippy::disallowed_types)] // looked up by key, never walked

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;

/// Parts, each with a lock of its own; as many as a mask has bits.
const SHARDS: usize = 32;
/// What the younger half of one part holds: 2 MiB in all.
const HALF_BYTES: usize = 32 << 10;
/// A longer value costs more to copy out of the engine than to find.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// What an entry takes beside its key and value.
const ENTRY_BYTES: usize = 96;

#[derive(Default)]
pub(crate) struct Lately {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    young: HashMap<Box<[u8]>, Bytes>,
    young_bytes: usize,
    old: HashMap<Box<[u8]>, Bytes>,
    /// Who writes keys of this part just now.
    writers: u32,
    /// How many have written.
    written: u64,
}

impl Lately {
    /// The record of that place, which `search` finds where it was not read lately.
    pub(crate) fn get<E>(
        &self,
        place: &[u8],
        search: impl FnOnce() -> Result<Option<Bytes>, E>,
    ) -> Result<Option<Bytes>, E> {
        let shard = &self.shards[shard_of(place)];
        let written = {
            let mut shard = shard.lock();
            if let Some(value) = shard.find(place) {
                return Ok(Some(value));
            }
            shard.written
        };
        let found = search()?;
        if let Some(value) = found.as_ref().filter(|value| value.len() <= VALUE_BYTES_MAX) {
            let mut shard = shard.lock();
            if shard.writers == 0 && shard.written == written {
                shard.keep(place.into(), value.clone());
            }
        }
        Ok(found)
    }

    /// Takes the records of these places out, and lets none in there until what is answered is
    /// dropped.
    pub(crate) fn writing<'a>(&self, places: impl Iterator<Item = &'a Bytes>) -> Writing<'_> {
        let mut writing = Writing { lately: self, mask: 0 };
        for place in places {
            let number = shard_of(place);
            let mut shard = self.shards[number].lock();
            writing.enter(number, &mut shard);
            shard.take_out(place);
        }
        writing
    }

    /// Likewise of all places.
    pub(crate) fn writing_all(&self) -> Writing<'_> {
        let mut writing = Writing { lately: self, mask: 0 };
        for (number, shard) in self.shards.iter().enumerate() {
            let mut shard = shard.lock();
            writing.enter(number, &mut shard);
            (shard.young, shard.old, shard.young_bytes) = Default::default();
        }
        writing
    }
}

impl Shard {
    fn find(&mut self, place: &[u8]) -> Option<Bytes> {
        if let Some(value) = self.young.get(place) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(place)?;
        self.keep(key, value.clone());
        Some(value)
    }

    fn take_out(&mut self, place: &[u8]) {
        if self.young.is_empty() && self.old.is_empty() {
            return; // as where nobody reads single records
        }
        if let Some(value) = self.young.remove(place) {
            self.young_bytes = self.young_bytes.saturating_sub(cost(place, &value));
        }
        self.old.remove(place); // two who read at once may have kept it in both
    }

    /// Keeps a record; the older half goes when the younger is full.
    fn keep(&mut self, key: Box<[u8]>, value: Bytes) {
        self.young_bytes += cost(&key, &value);
        self.young.insert(key, value);
        if self.young_bytes > HALF_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

/// Somebody writes.
#[must_use = "nothing stale may be kept until the engine has the write"]
pub(crate) struct Writing<'a> {
    lately: &'a Lately,
    /// The parts of its keys.
    mask: u32,
}

impl Writing<'_> {
    fn enter(&mut self, number: usize, shard: &mut Shard) {
        if self.mask & (1 << number) == 0 {
            self.mask |= 1 << number;
            shard.writers += 1;
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        for number in (0..SHARDS).filter(|number| self.mask & (1 << number) != 0) {
            let mut shard = self.lately.shards[number].lock();
            shard.writers -= 1;
            shard.written += 1;
        }
    }
}

fn cost(place: &[u8], value: &Bytes) -> usize {
    ENTRY_BYTES + place.len() + value.len()
}

/// Keys differ at their ends.
fn shard_of(place: &[u8]) -> usize {
    let tail = place.iter().rev().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let spread = tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59; // the golden ratio's, five bits
    usize::try_from(spread).unwrap_or_default()
}
