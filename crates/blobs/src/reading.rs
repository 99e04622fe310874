//! Blobs on their way out.

use std::fs;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use rustix::io::ReadWriteFlags;

use crate::piece::{PIECE, Piece};
use crate::store::disk;
use crate::uploads::blocking;
use crate::window::{WINDOW, window};
use crate::{BlobError, Blobs, Digest};

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

    /// Bytes from a position on, so many of them, for whoever looks into them. The next are read
    /// while some are looked at.
    pub fn read(
        self,
        from: u64,
        length: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let file = self.file;
        let pieces = stream::iter(parts(from, length, PIECE))
            .map(move |(begin, length)| piece(Arc::clone(&file), begin, length));
        pieces.buffered(2)
    }

    /// The same for whoever only sends them on: where there are many, they are the file's own
    /// pages, and the next of them are fetched while some are sent.
    pub fn send(
        self,
        from: u64,
        length: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        if length <= PIECE as u64 {
            return self.read(from, length).left_stream();
        }
        let (file, end) = (self.file, self.length);
        let windows = stream::iter(parts(from, length, WINDOW))
            .map(move |(begin, length)| sent(Arc::clone(&file), end, begin, length));
        windows.buffered(2).right_stream()
    }
}

/// What is wanted in parts of a size: where each begins, and its length.
fn parts(from: u64, length: u64, size: usize) -> impl Iterator<Item = (u64, usize)> + Send {
    let end = from.saturating_add(length);
    (from..end).step_by(size).map(move |begin| (begin, (end - begin).min(size as u64) as usize))
}

/// A part as memory, where the file system knows how and the file has it.
async fn sent(file: Arc<fs::File>, end: u64, begin: u64, length: usize) -> io::Result<Bytes> {
    blocking(move || {
        if begin + length as u64 > end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        window(&file, begin, length).or_else(|_| {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, begin)?;
            Ok(bytes.into())
        })
    })
    .await
}

/// What is in memory already is taken from there at once: that costs less than another thread.
async fn piece(file: Arc<fs::File>, begin: u64, wanted: usize) -> io::Result<Bytes> {
    let mut piece = Piece::of(wanted);
    let (into, at_once) = (&mut [IoSliceMut::new(piece.bytes_mut())], ReadWriteFlags::NOWAIT);
    // not all file systems can tell; then another thread reads
    let count = rustix::io::preadv2(&*file, into, begin, at_once).unwrap_or(0);
    if count == wanted {
        return Ok(Bytes::from_owner(piece));
    }
    let rest = move || {
        file.read_exact_at(&mut piece.bytes_mut()[count..], begin + count as u64)?;
        Ok(Bytes::from_owner(piece))
    };
    blocking(rest).await
}
