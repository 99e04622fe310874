//! Blobs on their way out.

use std::fs;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use rustix::buffer::spare_capacity;

use crate::store::disk;
use crate::uploads::blocking;
use crate::{BlobError, Blobs, Digest};

/// Bytes that are read at once.
const PIECE: usize = 512 << 10;
/// Pieces that are read while others are on their way.
const AHEAD: usize = 2;

/// A blob that is open; it can be read to its end, whatever becomes of its name.
#[derive(Debug)]
pub struct OpenBlob {
    file: Arc<fs::File>,
    length: u64,
}

impl Blobs {
    /// Opens a blob for reading piece by piece.
    ///
    /// # Errors
    /// [`BlobError::Missing`].
    pub async fn open_blob(&self, digest: &Digest) -> Result<OpenBlob, BlobError> {
        let path = self.path(digest);
        let opened = blocking(move || {
            let file = fs::File::open(path)?;
            let length = file.metadata()?.len();
            Ok(OpenBlob { file: Arc::new(file), length })
        });
        opened.await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(*digest),
            _ => disk("read")(error),
        })
    }
}

impl OpenBlob {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes from a position on, so many of them. Some are read ahead while others are taken.
    pub fn read(
        self,
        from: u64,
        length: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let end = from.saturating_add(length);
        let file = self.file;
        let begins = stream::iter((from..end).step_by(PIECE));
        let pieces = begins.map(move |begin| {
            let wanted = (end - begin).min(PIECE as u64) as usize;
            let file = Arc::clone(&file);
            blocking(move || piece(&file, begin, wanted))
        });
        pieces.buffered(AHEAD)
    }
}

/// Reads into memory that nobody clears first.
fn piece(file: &fs::File, begin: u64, wanted: usize) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(wanted);
    while piece.len() < wanted {
        let at = begin + piece.len() as u64;
        if rustix::io::pread(file, spare_capacity(&mut piece), at)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    piece.truncate(wanted);
    Ok(piece.into())
}
