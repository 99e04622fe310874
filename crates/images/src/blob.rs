//! A layer's blob: fetched into a file of the store's own, or read where it lies.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haar_substrate::{BlobFile, ImageError, ImageSource};
use parking_lot::Mutex;

use crate::digest::HashRead;
use crate::document::Descriptor;
use crate::fetch;
use crate::unpack::{self, Room, Unpacked};

/// Where it is.
pub(crate) enum Blob {
    /// In the store; its digest is right.
    Fetched(PathBuf),
    /// In its source's file; what it is said to be is looked at while it is read.
    There(BlobFile, String),
}

impl Blob {
    /// Finds where a source has a blob of the right length, else fetches it into `dir`.
    pub(crate) async fn of(
        source: &dyn ImageSource,
        descriptor: &Descriptor,
        dir: &Path,
    ) -> Result<Self, ImageError> {
        let there = source.file(&descriptor.digest).await?;
        match there.filter(|there| there.size == descriptor.size) {
            Some(there) => Ok(Self::There(there, descriptor.digest.clone())),
            None => fetch::blob(source, descriptor, dir).await.map(Self::Fetched),
        }
    }

    /// Unpacks it into an empty directory, as [`unpack::unpack`] does.
    pub(crate) fn unpack(&mut self, into: &Path, room: Room) -> io::Result<Unpacked> {
        match self {
            Self::Fetched(path) => unpack::unpack(File::open(path)?, into, room),
            Self::There(there, digest) => {
                let mut file = there.file.try_clone()?;
                file.seek(SeekFrom::Start(there.at))?;
                let bytes = Shared::new(HashRead::new(file.take(there.size)));
                let unpacked = unpack::unpack(bytes.clone(), into, room);
                // what is not the blob is wrong for that, whatever came of it
                let found = bytes.finish()?;
                if found != *digest {
                    let why = format!("blob {digest} has the digest {found}");
                    return Err(crate::place::invalid(&why));
                }
                unpacked
            }
        }
    }

    /// Removes what was fetched.
    pub(crate) fn remove(self) {
        if let Self::Fetched(path) = self {
            let _ = fs::remove_file(path); // the next start does
        }
    }
}

/// A reader that another thread reads, and whose digest is asked for here.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<HashRead<Take<File>>>>>);

impl Shared {
    fn new(reader: HashRead<Take<File>>) -> Self {
        Self(Arc::new(Mutex::new(Some(reader))))
    }

    /// Reads what is left; whoever else still reads finds its end.
    fn finish(&self) -> io::Result<String> {
        let reader = self.0.lock().take();
        reader.ok_or_else(|| io::Error::other("a blob was read twice"))?.finish()
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut *self.0.lock() {
            Some(reader) => reader.read(buffer),
            None => Ok(0),
        }
    }
}
