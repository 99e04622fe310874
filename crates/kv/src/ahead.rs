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
use std::sync::Arc;

use memmap2::{Advice, MmapOptions};
use rustix::fs::{AtFlags, StatxFlags, fstatfs, statx};

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
        let of = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE);
        let length = of.map_or(0, |of| of.stx_size);
        Self { end: if in_place { FIRST } else { 0 }, length }
    }

    /// Blocks to be laid down, where the engine came near the end of what is there. They count as
    /// there from then on.
    pub(crate) fn due(&mut self, file: &Arc<File>) -> Option<Blocks> {
        let mut due = None;
        while self.end > 0 && self.is_near(file) {
            due = Some(Blocks { file: Arc::clone(file), begin: self.end });
            self.end += STEP;
            if self.end > self.length {
                self.end = 0;
                due = None;
            }
        }
        due
    }

    /// True when the engine has written to the half of the last step. Where that page happens to
    /// hold nothing but zeros of a record, the rest of the file gets nothing ahead.
    fn is_near(&self, file: &File) -> bool {
        let mut page = [0; PAGE];
        let at = if self.end == FIRST { FIRST } else { self.end - STEP / 2 };
        let read = file.read_at(&mut page, at).unwrap_or(0);
        page[..read].iter().any(|byte| *byte != 0)
    }
}

/// Blocks that are not there yet.
pub(crate) struct Blocks {
    file: Arc<File>,
    begin: u64,
}

impl Blocks {
    /// Lays them down, and sends them to the disk, which may take milliseconds. What is there
    /// stays, also what is written meanwhile. Where it cannot be done the next flush is as slow as
    /// without, and tells what is wrong with the disk.
    pub(crate) fn lay(self) {
        if let Err(error) = lay(&self.file, self.begin) {
            tracing::debug!(%error, "no blocks could be laid down ahead in a journal");
        }
    }
}

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
    fn hole() -> Option<(Arc<File>, Ahead)> {
        let file = Arc::new(tempfile::tempfile().unwrap());
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
            if let Some(blocks) = ahead.due(&file) {
                blocks.lay();
            }
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
        assert!(ahead.due(&file).is_none());
        assert_eq!((ahead.end, file.metadata().unwrap().len()), (0, 8 << 20));
    }
}
