//! Room on the disk for what the engine's journal is given next.
//!
//! The engine makes its journal as one large hole. A flush of what was put into a hole writes the
//! records, and also where on the disk they are: the file's inode, and with it a second time. Where
//! the blocks are there before, with zeros that reached the disk, it writes the records alone, in
//! about half of the time. To whoever reads the file, zeros of a hole and of a block are the same.

#![allow(unsafe_code)] // a file as memory, and a call without a safe wrapper

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use memmap2::{Advice, MmapOptions};
use rustix::fs::fstatfs;

/// Bytes that are laid down at once: as many as the disk takes within few flushes.
const STEP: u64 = 1 << 20;

/// A journal that is given less than this gets nothing ahead.
const FIRST: u64 = 256 << 10;

/// What is looked at to see whether the engine has come so far.
const PAGE: usize = 4096;

/// Filesystems that write a block again where it is (`statfs(2)`): ext4 and XFS.
const IN_PLACE: [u64; 2] = [0xEF53, 0x5846_5342];

/// How far a journal has its blocks.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// The end of the blocks that are there; 0 where nothing more is laid down.
    end: u64,
    length: u64,
}

impl Ahead {
    /// Of a journal that is open for reading and writing.
    pub(crate) fn of(file: &File) -> Self {
        let in_place = fstatfs(file).is_ok_and(|of| IN_PLACE.contains(&(of.f_type as u64)));
        let length = file.metadata().map_or(0, |of| of.len()); // the inode is written once for it
        Self { end: if in_place { FIRST } else { 0 }, length }
    }

    /// Lays more down where the engine came near the end of what is there. A disk that refuses is
    /// not asked again: the flush finds out by itself.
    pub(crate) fn lay(&mut self, file: &File) {
        if self.due(file).is_some_and(|begin| lay(file, begin).is_err()) {
            self.end = 0;
        }
    }

    /// Where the engine came near the end of what is there: that end. What follows counts as there
    /// from then on.
    fn due(&mut self, file: &File) -> Option<u64> {
        let mut due = None;
        while self.end > 0 && self.is_near(file) {
            due = Some(self.end);
            self.end += STEP;
            if self.end > self.length {
                self.end = 0;
                due = None;
            }
        }
        due
    }

    /// True when the engine has written to the half of the last step: records are seldom zeros, and
    /// one that is makes this late.
    fn is_near(&self, file: &File) -> bool {
        let mut page = [0; PAGE];
        let at = if self.end == FIRST { FIRST } else { self.end - STEP / 2 };
        let read = file.read_at(&mut page, at).unwrap_or(0);
        page[..read].iter().any(|byte| *byte != 0)
    }
}

/// Lays a step of zeros from a position on where nothing is, and sends them to the disk. What is
/// there stays, also what is written meanwhile.
fn lay(file: &File, begin: u64) -> io::Result<()> {
    let mut options = MmapOptions::new();
    options.offset(begin).len(STEP as usize);
    // SAFETY: nobody reads or writes this memory; the system takes each of its pages for written
    // to, and changes none.
    let memory = unsafe { options.map_mut(file)? };
    memory.advise(Advice::PopulateWrite)?;
    drop(memory);
    let (begin, length) = (begin as libc::off64_t, STEP as libc::off64_t);
    // SAFETY: the descriptor is open; the call takes numbers alone.
    let begun = unsafe {
        libc::sync_file_range(file.as_raw_fd(), begin, length, libc::SYNC_FILE_RANGE_WRITE)
    };
    if begun == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// A hole of 8 MiB, and what is laid down in it; `None` where the filesystem gets nothing.
    fn hole() -> Option<(File, Ahead)> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 << 20).unwrap();
        let ahead = Ahead::of(&file);
        (ahead.end > 0).then_some((file, ahead))
    }

    fn blocks(file: &File) -> u64 {
        file.sync_all().unwrap();
        file.metadata().unwrap().blocks() * 512
    }

    #[test]
    fn room_is_laid_down_as_the_writer_comes_near_and_what_is_written_stays() {
        let Some((file, mut ahead)) = hole() else { return };
        let mut begin = 0;
        for size in [100_000_u64, 200_000, 500_000, 3_000_000] {
            file.write_all_at(&vec![b'x'; size as usize], begin).unwrap();
            begin += size;
            ahead.lay(&file);
            let laid = blocks(&file).saturating_sub(begin);
            assert!(if begin < FIRST { laid < 8192 } else { laid > STEP / 4 }, "{begin}: {laid}");
        }
        let mut all = vec![1; 8 << 20];
        file.read_exact_at(&mut all, 0).unwrap();
        let (written, rest) = all.split_at(begin as usize);
        assert!(written.iter().all(|byte| *byte == b'x') && rest.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn nothing_is_laid_down_behind_the_end() {
        let Some((file, mut ahead)) = hole() else { return };
        file.write_all_at(&[b'x'; 8 << 20], 0).unwrap();
        ahead.lay(&file);
        assert_eq!((ahead.end, file.metadata().unwrap().len()), (0, 8 << 20));
    }
}
