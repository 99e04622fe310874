//! Bytes of objects on their way out.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use haar_blobs::{BlobError, Blobs, Digest, Hold};
use haar_wire::{AwsError, Body};

use crate::S3;
use crate::customer::{CustomerKey, Nonce};
use crate::refusal;
use crate::rules::range::ByteRange;
use crate::spool::{body_of, once};
use crate::store::{Place, Record, Segment};

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

/// What becomes of the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// They are looked into.
    Read,
    /// They go to the caller as they are.
    Sent,
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
    /// Opens one of the blobs.
    async fn open(&self, at: usize, purpose: Use) -> Result<Pieces, AwsError> {
        let Wanted { digest, from, length, opener } = &self.wanted[at];
        let blob = self.blobs.open_blob(digest).await.map_err(|error| refusal::bytes(&error))?;
        let failed = |error| refusal::bytes(&BlobError::Disk("read", error));
        Ok(match opener {
            Some((key, nonce)) => {
                let mut cipher = key.cipher(nonce, *from);
                let pieces = blob.read(*from, *length).map_err(failed);
                pieces.map_ok(move |piece| cipher.over(piece)).boxed()
            }
            None if purpose == Use::Sent => blob.send(*from, *length).map_err(failed).boxed(),
            None => blob.read(*from, *length).map_err(failed).boxed(),
        })
    }
}

impl S3 {
    /// Some bytes of a version, as a body.
    pub(crate) fn body(&self, version: Version<'_>, range: ByteRange) -> Result<Body, AwsError> {
        match &version.record.bytes {
            Place::Within(bytes) => Ok(opened(version, bytes, range).into()),
            Place::Beside => Ok(self.beside(version, range)?.into()),
            Place::Nowhere => Ok(Body::empty()),
            Place::Blobs(segments) => {
                Ok(body_of(self.segments(segments, range, version.opener, Use::Sent)))
            }
        }
    }

    /// The same as pieces.
    pub(crate) fn pieces(
        &self,
        version: Version<'_>,
        range: ByteRange,
    ) -> Result<Pieces, AwsError> {
        match &version.record.bytes {
            Place::Within(bytes) => Ok(once(opened(version, bytes, range)).boxed()),
            Place::Beside => Ok(once(self.beside(version, range)?).boxed()),
            Place::Nowhere => Ok(stream::empty().boxed()),
            Place::Blobs(segments) => {
                Ok(self.segments(segments, range, version.opener, Use::Read).boxed())
            }
        }
    }

    fn beside(&self, version: Version<'_>, range: ByteRange) -> Result<Bytes, AwsError> {
        let bytes = self.store.body(version.bucket, version.key, version.record.sequence)?;
        Ok(opened(version, &bytes, range))
    }

    fn segments(
        &self,
        segments: &[Segment],
        range: ByteRange,
        opener: Option<&CustomerKey>,
        purpose: Use,
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
            let opened = async move { reading.open(at, purpose).await };
            stream::once(opened).try_flatten()
        })
    }
}

/// Some of a small object's bytes, without their customer's lock.
fn opened(version: Version<'_>, bytes: &Bytes, range: ByteRange) -> Bytes {
    let (from, to) = (range.from as usize, (range.from + range.length) as usize);
    let bytes = bytes.slice(from.min(bytes.len())..to.min(bytes.len()));
    let seal = version.record.manner.encryption.customer.as_ref();
    match version.opener.zip(seal) {
        None => bytes,
        Some((key, seal)) => key.cipher(&seal.salt, range.from).over(bytes),
    }
}
