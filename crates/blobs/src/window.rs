//! A part of a blob's file as memory: the system copies it from there into a socket, and nobody
//! copies it before.

#![allow(unsafe_code)] // a file as memory has no safe wrapper

use std::num::NonZeroU64;
use std::{fs, io};

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};
use rustix::fs::Advice as Ahead;

/// Bytes that are sent at once: enough that to lay them out as memory costs little beside.
pub(crate) const WINDOW: usize = 4 << 20;

/// So many bytes from a position on, all of them in memory when it returns.
///
/// A disk that fails is told here, and not to whoever reads the memory.
pub(crate) fn window(file: &fs::File, begin: u64, length: usize) -> io::Result<Bytes> {
    let ahead = NonZeroU64::new(length as u64);
    let _ = rustix::fs::fadvise(file, begin, ahead, Ahead::WillNeed); // it is read anyhow
    let mut options = MmapOptions::new();
    options.offset(begin).len(length);
    // SAFETY: a blob's file is never written to nor shortened once it has its name (the crate's
    // first invariant), so that what the memory holds stays as it is.
    let memory: Mmap = unsafe { options.map(file)? };
    memory.advise(Advice::PopulateRead)?;
    Ok(Bytes::from_owner(memory))
}
