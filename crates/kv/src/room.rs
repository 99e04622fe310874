//! Whether the disk has room.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{Batch, KvError};

/// More room than anybody fills within [`AMPLE_FOR`].
const AMPLE: u64 = 256 << 20;

/// How long a disk that had ample room is not looked at again.
const AMPLE_FOR: Duration = Duration::from_millis(2);

/// Refuses what the disk may not have room for. An engine that ran into the end of the disk would
/// take nothing more until it is opened again.
///
/// It looks before each batch, since others may fill the disk at any moment; but not twice within
/// moments in which nobody can have filled what was free.
pub(crate) struct Room {
    /// The directory of the records, open so that its path is not walked each time.
    place: File,
    reserve: u64,
    opened_at: Instant,
    /// Microseconds since `opened_at`.
    ample_until: AtomicU64,
}

impl Room {
    /// Of the disk of `place`, with so many bytes to be left free.
    #[allow(clippy::disallowed_methods)] // spares a call by it; no state depends on it
    pub(crate) fn new(place: &Path, reserve: u64) -> io::Result<Self> {
        let (place, opened_at) = (File::open(place)?, Instant::now());
        Ok(Self { place, reserve, opened_at, ample_until: AtomicU64::new(0) })
    }

    /// Of a batch with so many bytes.
    pub(crate) fn check(&self, batch: &Batch, bytes: u64) -> Result<(), KvError> {
        let now = self.opened_at.elapsed();
        let order = Ordering::Relaxed; // one who does not see it looks again
        if micros(now) < self.ample_until.load(order) && bytes < AMPLE / 16 {
            return Ok(());
        }
        let reserve = if batch.frees_room() { self.reserve / 2 } else { self.reserve };
        let free = self.free()?;
        if free >= self.reserve.saturating_add(AMPLE) {
            self.ample_until.store(micros(now + AMPLE_FOR), order);
        }
        match free < reserve.saturating_add(bytes) {
            true => Err(KvError::Full(free >> 20)),
            false => Ok(()),
        }
    }

    /// True when there is room to sort what is in memory.
    pub(crate) fn is_ample(&self) -> Result<bool, KvError> {
        Ok(self.free()? >= self.reserve)
    }

    /// A project's quota counts, where the directory hands it on: ext4 and XFS tell what it leaves.
    /// Those of users and groups are not seen.
    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.place)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
