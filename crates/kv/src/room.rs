//! Whether the disk has room.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Batch, KvError};

/// Bytes that are written between two looks at a disk that has plenty of room.
const UNWATCHED_BYTES: u64 = 1 << 20;

/// Refuses what the disk may not have room for. An engine that ran into the end of the disk would
/// take nothing more until it is opened again.
pub(crate) struct Room {
    place: PathBuf,
    reserve: u64,
    /// What may still be written before the next look.
    unwatched: AtomicU64,
}

impl Room {
    /// Of the disk of `place`, with so many bytes to be left free.
    pub(crate) fn new(place: &Path, reserve: u64) -> Self {
        Self { place: place.to_owned(), reserve, unwatched: AtomicU64::new(0) }
    }

    pub(crate) fn check(&self, batch: &Batch) -> Result<(), KvError> {
        let (bytes, order) = (batch.bytes(), Ordering::Relaxed);
        let left = self.unwatched.fetch_update(order, order, |left| left.checked_sub(bytes));
        if left.is_ok() {
            return Ok(());
        }
        let disk = rustix::fs::statvfs(&self.place).map_err(std::io::Error::from)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= self.reserve.saturating_add(bytes).saturating_add(UNWATCHED_BYTES) {
            self.unwatched.store(UNWATCHED_BYTES, order);
        }
        let reserve = if batch.frees_room() { self.reserve / 2 } else { self.reserve };
        match free < reserve.saturating_add(bytes) {
            true => Err(KvError::Full(free >> 20)),
            false => Ok(()),
        }
    }
}
