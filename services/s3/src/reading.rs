//! Bytes of objects on their way out.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use haar_blobs::{Blobs, Digest};
use haar_clock::{Clock, Moment};
use haar_wire::{AwsError, Body};
use parking_lot::Mutex;

use crate::S3;
use crate::customer::{Cipher, CustomerKey, Nonce};
use crate::refusal;
use crate::rules::range::ByteRange;
use crate::spool::{body_of, once};
use crate::store::{Place, Record, Segment};

/// Bytes that are read from disk at once.
const PIECE: u64 = 1 << 20;

/// How long blobs are asked for only once: less than the shortest grace that a sweep of them has.
const ASKED_FOR: Duration = Duration::from_secs(2 * 60);

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

/// Keeps what is still to be read from being swept: the object may go meanwhile.
struct Keeper {
    blobs: Blobs,
    clock: Clock,
    wanted: Vec<Wanted>,
    asked_at: Mutex<Option<Moment>>,
}

impl Keeper {
    /// Asks for the files from this one on, now and then; in a blocking thread.
    fn ask_for(&self, at: usize) {
        let now = self.clock.moment();
        let mut asked_at = self.asked_at.lock();
        if asked_at.is_none_or(|asked_at| now.since(asked_at) >= ASKED_FOR) {
            for later in &self.wanted[at..] {
                self.blobs.touch(&later.digest);
            }
            *asked_at = Some(now);
        }
    }

    /// Opens one of the files, in a blocking thread.
    fn open(&self, at: usize) -> std::io::Result<Source> {
        self.ask_for(at);
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
        let (blobs, clock) = (self.doors.blobs.clone(), self.doors.clock.clone());
        let count = wanted.len();
        let keeper = Arc::new(Keeper { blobs, clock, wanted, asked_at: Mutex::default() });
        stream::iter(0..count).flat_map(move |at| {
            let (opener, keeper) = (Arc::clone(&keeper), Arc::clone(&keeper));
            let opened = stream::once(blocking(move || opener.open(at)));
            opened.flat_map(move |opened| match opened {
                Ok(source) => read(source, Arc::clone(&keeper), at + 1).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
        })
    }
}

#[allow(clippy::disallowed_methods)] // a blob's file, in a blocking thread
fn open_file(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Reads ahead: the next piece comes from the disk while one is sent. Meanwhile the later files
/// are asked for, however slow the reader is.
fn read(
    source: Source,
    keeper: Arc<Keeper>,
    later: usize,
) -> impl Stream<Item = Result<Bytes, AwsError>> + Send {
    let pieces = stream::try_unfold(source, move |source| {
        let keeper = Arc::clone(&keeper);
        async move {
            if source.left == 0 {
                return Ok(None);
            }
            let next = move || {
                keeper.ask_for(later);
                next_piece(source)
            };
            blocking(next).await.map(Some)
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
