//! Bytes of objects on their way out.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use haar_blobs::{Blobs, Digest, Hold};
use haar_wire::{AwsError, Body};

use crate::S3;
use crate::customer::{Cipher, CustomerKey, Nonce};
use crate::refusal;
use crate::rules::range::ByteRange;
use crate::spool::{body_of, once};
use crate::store::{Place, Record, Segment};

/// Bytes that are read from disk at once.
const PIECE: u64 = 1 << 20;

/// Pieces in a row.
pub(crate) type Pieces = stream::BoxStream<'static, Result<Bytes, AwsError>>;

/// A version whose bytes are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) bucket: u64,
    pub(crate) key: &'a str,
    pub(crate) record: &'a Record,
    /// The customer's key that locks it.
    pub(crate) opener: Option<&'a CustomerKey>,
}

/// A file that is being read: the file, how much of it is still wanted, and what opens that.
struct Source {
    file: std::fs::File,
    left: u64,
    cipher: Option<Cipher>,
}

/// Bytes of one blob that are wanted: from where, how many, and what opens them.
struct Wanted {
    digest: Digest,
    from: u64,
    length: u64,
    opener: Option<(CustomerKey, Nonce)>,
}

/// What is read of an object, all of it held from the beginning to the end: the object may go
/// meanwhile.
struct Reading {
    blobs: Blobs,
    wanted: Vec<Wanted>,
    _hold: Hold,
}

impl Reading {
    /// Opens one of the files, in a blocking thread.
    fn open(&self, at: usize) -> std::io::Result<Source> {
        let wanted = &self.wanted[at];
        let mut file = open_file(&self.blobs.path(&wanted.digest))?;
        file.seek(SeekFrom::Start(wanted.from))?;
        let opener = wanted.opener.as_ref();
        let cipher = opener.map(|(key, nonce)| key.cipher(nonce, wanted.from));
        Ok(Source { file, left: wanted.length, cipher })
    }
}

impl S3 {
    /// Some bytes of a version, as a body.
    pub(crate) fn body(&self, version: Version<'_>, range: ByteRange) -> Result<Body, AwsError> {
        match &version.record.bytes {
            Place::Beside => Ok(self.beside(version, range)?.into()),
            Place::Nowhere => Ok(Body::empty()),
            Place::Blobs(segments) => Ok(body_of(self.segments(segments, range, version.opener))),
        }
    }

    /// The same as pieces.
    pub(crate) fn pieces(
        &self,
        version: Version<'_>,
        range: ByteRange,
    ) -> Result<Pieces, AwsError> {
        match &version.record.bytes {
            Place::Beside => Ok(once(self.beside(version, range)?).boxed()),
            Place::Nowhere => Ok(stream::empty().boxed()),
            Place::Blobs(segments) => Ok(self.segments(segments, range, version.opener).boxed()),
        }
    }

    fn beside(&self, version: Version<'_>, range: ByteRange) -> Result<Bytes, AwsError> {
        let Version { bucket, key, record, opener } = version;
        let bytes = self.store.body(bucket, key, record.sequence)?;
        let (from, to) = (range.from as usize, (range.from + range.length) as usize);
        let bytes = bytes.slice(from.min(bytes.len())..to.min(bytes.len()));
        let seal = record.manner.encryption.customer.as_ref();
        Ok(match opener.zip(seal) {
            None => bytes,
            Some((key, seal)) => key.cipher(&seal.salt, range.from).over(bytes),
        })
    }

    fn segments(
        &self,
        segments: &[Segment],
        range: ByteRange,
        opener: Option<&CustomerKey>,
    ) -> impl Stream<Item = Result<Bytes, AwsError>> + Send + use<> {
        let mut wanted = Vec::new();
        let (mut skip, mut left) = (range.from, range.length);
        for segment in segments {
            if left == 0 {
                break;
            }
            if skip >= segment.length {
                skip -= segment.length;
                continue;
            }
            let length = (segment.length - skip).min(left);
            let opener = opener.cloned().zip(segment.nonce);
            wanted.push(Wanted { digest: segment.digest, from: skip, length, opener });
            (skip, left) = (0, left - length);
        }
        let blobs = self.doors.blobs.clone();
        let (count, hold) = (wanted.len(), blobs.hold(wanted.iter().map(|one| one.digest)));
        let reading = Arc::new(Reading { blobs, wanted, _hold: hold });
        stream::iter(0..count).flat_map(move |at| {
            let reading = Arc::clone(&reading);
            let opened = stream::once(blocking(move || reading.open(at)));
            opened.flat_map(|opened| match opened {
                Ok(source) => read(source).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
        })
    }
}

#[allow(clippy::disallowed_methods)] // a blob's file, in a blocking thread
fn open_file(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Reads ahead: the next piece comes from the disk while one is sent.
fn read(source: Source) -> impl Stream<Item = Result<Bytes, AwsError>> + Send {
    let pieces = stream::try_unfold(source, |source| async move {
        match source.left {
            0 => Ok(None),
            _ => blocking(move || next_piece(source)).await.map(Some),
        }
    });
    // Polled one ahead of its reader.
    pieces.map(std::future::ready).buffered(2)
}

fn next_piece(mut source: Source) -> std::io::Result<(Bytes, Source)> {
    let count = source.left.min(PIECE);
    let mut piece = Vec::with_capacity(count as usize);
    (&mut source.file).take(count).read_to_end(&mut piece)?;
    if piece.len() as u64 != count {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    if let Some(cipher) = &mut source.cipher {
        cipher.apply(&mut piece);
    }
    source.left -= count;
    Ok((piece.into(), source))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, AwsError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
    done.flatten().map_err(|error| refusal::bytes(&haar_blobs::BlobError::Disk("read", error)))
}
