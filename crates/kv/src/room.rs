//! Whether the disk has room.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::{Batch, KvError};

/// Refuses what the disk may not have room for. An engine that ran into the end of the disk would
/// take nothing more until it is opened again.
///
/// It looks before each batch: others may fill the disk at any moment.
pub(crate) struct Room {
    /// The directory of the records, open so that its path is not walked each time.
    place: File,
    reserve: u64,
}

impl Room {
    /// Of the disk of `place`, with so many bytes to be left free.
    pub(crate) fn new(place: &Path, reserve: u64) -> io::Result<Self> {
        Ok(Self { place: File::open(place)?, reserve })
    }

    pub(crate) fn check(&self, batch: &Batch) -> Result<(), KvError> {
        let reserve = if batch.frees_room() { self.reserve / 2 } else { self.reserve };
        let disk = rustix::fs::fstatvfs(&self.place).map_err(io::Error::from)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        match free < reserve.saturating_add(batch.bytes()) {
            true => Err(KvError::Full(free >> 20)),
            false => Ok(()),
        }
    }
}
