//! Bodies on their way in: small ones into memory, large ones onto disk, all of them hashed.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use haar_blobs::{Arrived, BlobError, Witness};
use haar_types::hex;
use haar_wire::{AwsError, Body, BodyError, Trailers};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;

use crate::S3;
use crate::checksum::{Checksum, Hasher, Kind};
use crate::customer::{Cipher, Nonce, Sealing, draw, locked};
use crate::refusal;
use crate::rules::integrity::{Wanted, verify};
use crate::store::{Held, Segment};

/// Objects up to this size stand in kv, beside their records.
pub(crate) const INLINE_MAX: usize = 64 << 10;
/// Most bytes of one `PutObject` or part. AWS docs: *Amazon S3 User Guide > Uploading objects*.
pub(crate) const PUT_MAX: u64 = 5 << 30;

/// A body that came in whole and is what its sender said.
pub(crate) struct Spooled {
    pub(crate) size: u64,
    /// MD5 in hex; of bytes that a customer's key locks, a number that says nothing of them.
    pub(crate) etag: String,
    pub(crate) checksum: Checksum,
    /// The checksum of S3's own kind, where that was wanted too.
    pub(crate) own: Option<String>,
    bytes: Bytesome,
    /// Under a customer's key.
    nonce: Option<Nonce>,
}

enum Bytesome {
    Inline(Bytes),
    Arrived(Arrived),
}

impl Spooled {
    /// Keeps the bytes for a record.
    pub(crate) async fn keep(self) -> Result<Held, AwsError> {
        match self.bytes {
            Bytesome::Inline(bytes) => Ok(Held::Inline(bytes)),
            Bytesome::Arrived(arrived) => Ok(Held::Blobs(vec![settle(arrived, self.nonce).await?])),
        }
    }

    /// Keeps the bytes as a blob, small or not.
    pub(crate) async fn keep_as_blob(self, room: &S3) -> Result<Vec<Segment>, AwsError> {
        match self.bytes {
            Bytesome::Inline(bytes) if bytes.is_empty() => Ok(Vec::new()),
            Bytesome::Inline(bytes) => {
                let length = bytes.len() as u64;
                let digest = room.doors.blobs.put(bytes).await;
                let digest = digest.map_err(|error| refusal::bytes(&error))?;
                Ok(vec![Segment { digest, length, nonce: self.nonce }])
            }
            Bytesome::Arrived(arrived) => Ok(vec![settle(arrived, self.nonce).await?]),
        }
    }
}

async fn settle(arrived: Arrived, nonce: Option<Nonce>) -> Result<Segment, AwsError> {
    let length = arrived.length();
    let digest = arrived.keep().await.map_err(|error| refusal::bytes(&error))?;
    Ok(Segment { digest, length, nonce })
}

/// All hashes of a body, which is seen as it is kept.
struct Hashes {
    md5: Md5,
    checksum: Hasher,
    own: Option<Hasher>,
    /// Opens what a customer's key locks.
    opener: Option<Cipher>,
}

impl Hashes {
    fn new(kind: Kind, also_own: bool, sealing: Option<Sealing<'_>>) -> Self {
        let opener = sealing.map(|sealing| sealing.cipher());
        let own = (also_own && kind != Kind::OWN).then(|| Hasher::new(Kind::OWN));
        Self { md5: Md5::new(), checksum: Hasher::new(kind), own, opener }
    }

    fn take(&mut self, plain: &[u8]) {
        self.md5.update(plain);
        self.checksum.update(plain);
        if let Some(own) = &mut self.own {
            own.update(plain);
        }
    }
}

impl Witness for Hashes {
    fn see(&mut self, piece: &[u8]) {
        match self.opener.take() {
            None => self.take(piece),
            Some(mut opener) => {
                let mut plain = piece.to_vec();
                opener.apply(&mut plain);
                self.take(&plain);
                self.opener = Some(opener);
            }
        }
    }
}

impl S3 {
    /// Takes a body in, as long as announced, proves what was said of it, and locks it where its
    /// customer has a key.
    pub(crate) async fn spool(
        &self,
        body: Body,
        announced: Option<i64>,
        wanted: &Wanted,
        sealing: Option<Sealing<'_>>,
    ) -> Result<Spooled, AwsError> {
        let announced = announced.and_then(|length| u64::try_from(length).ok());
        let at_hand = body.as_bytes().map(|bytes| bytes.len() as u64);
        let length = at_hand.or(announced).ok_or_else(missing_length)?;
        if length > PUT_MAX {
            return Err(too_large(length));
        }
        let trailers = body.trailers().cloned();
        let kind = wanted.kind(trailers.as_ref())?;
        let hashes = Hashes::new(kind, wanted.also_own, sealing);
        let stream = locked(body.into_stream(), sealing);
        let (bytes, size, hashes) = match length <= INLINE_MAX as u64 {
            true => inline(stream, length, hashes).await?,
            false => Box::pin(self.to_disk(stream, hashes)).await?, // small ones need no room for it
        };
        self.proven((bytes, size), (hashes, kind), (wanted, trailers.as_ref()), sealing)
    }

    /// What came in, if it is what was said of it.
    fn proven(
        &self,
        (bytes, size): (Bytesome, u64),
        (hashes, kind): (Hashes, Kind),
        (wanted, trailers): (&Wanted, Option<&Trailers>),
        sealing: Option<Sealing<'_>>,
    ) -> Result<Spooled, AwsError> {
        let md5: [u8; 16] = hashes.md5.finalize().into();
        let checksum = Checksum { kind, value: hashes.checksum.finish(), is_composite: false };
        verify(wanted, trailers, &md5, &checksum)?;
        let own = hashes.own.map(Hasher::finish);
        let nonce = sealing.map(|sealing| sealing.nonce);
        let etag = hex(&nonce.map_or(md5, |_| draw(&self.doors.ids)));
        Ok(Spooled { size, etag, checksum, own, bytes, nonce })
    }

    /// Takes in bytes of which nobody said how many there are.
    pub(crate) async fn spool_stream(
        &self,
        stream: impl Stream<Item = Result<Bytes, BodyError>> + Send,
        wanted: &Wanted,
        sealing: Option<Sealing<'_>>,
    ) -> Result<Spooled, AwsError> {
        let kind = wanted.kind(None)?;
        let mut hashes = Hashes::new(kind, wanted.also_own, sealing);
        let mut stream = std::pin::pin!(locked(stream, sealing));
        let (mut first, mut length) = (Vec::new(), 0);
        let mut is_over = false;
        while length <= INLINE_MAX {
            let Some(piece) = stream.next().await else {
                is_over = true;
                break;
            };
            let piece = piece.map_err(broken_off)?;
            length += piece.len();
            first.push(piece);
        }
        let (bytes, size) = if is_over {
            first.iter().for_each(|piece| hashes.see(piece));
            (Bytesome::Inline(first.concat().into()), length as u64)
        } else {
            let first = stream::iter(first.into_iter().map(Ok));
            let (bytes, size, seen) = self.to_disk(first.chain(stream), hashes).await?;
            hashes = seen;
            (bytes, size)
        };
        self.proven((bytes, size), (hashes, kind), (wanted, None), sealing)
    }

    async fn to_disk(
        &self,
        stream: impl Stream<Item = Result<Bytes, BodyError>> + Send,
        hashes: Hashes,
    ) -> Result<(Bytesome, u64, Hashes), AwsError> {
        let broken = Arc::new(Mutex::new(None));
        let stream = stream.map(|piece| {
            piece.map_err(|error| {
                *broken.lock() = Some(broken_off(error));
                "the body broke off"
            })
        });
        let received = self.doors.blobs.receive_for(stream, PUT_MAX, hashes).await;
        match received {
            Ok((arrived, hashes)) => {
                let size = arrived.length();
                Ok((Bytesome::Arrived(arrived), size, hashes))
            }
            Err(BlobError::Sender(_)) => {
                let broken = broken.lock().take();
                Err(broken.unwrap_or_else(|| too_large(PUT_MAX + 1)))
            }
            Err(error) => Err(refusal::bytes(&error)),
        }
    }
}

async fn inline(
    stream: impl Stream<Item = Result<Bytes, BodyError>> + Send,
    length: u64,
    mut hashes: Hashes,
) -> Result<(Bytesome, u64, Hashes), AwsError> {
    let mut stream = std::pin::pin!(stream);
    let mut whole: Option<Bytes> = None;
    let mut more = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(broken_off)?;
        hashes.see(&piece);
        match &whole {
            None => whole = Some(piece),
            Some(first) => {
                if more.is_empty() {
                    more.extend_from_slice(first);
                }
                more.extend_from_slice(&piece);
            }
        }
        if more.len() as u64 > length {
            return Err(incomplete());
        }
    }
    let bytes = if more.is_empty() { whole.unwrap_or_default() } else { more.freeze() };
    let size = bytes.len() as u64;
    Ok((Bytesome::Inline(bytes), size, hashes))
}

/// What a body's sender hears when it breaks off.
pub(crate) fn broken_off(error: BodyError) -> AwsError {
    match error.downcast::<AwsError>() {
        Ok(refusal) => *refusal,
        Err(error) if error.to_string().contains("timeout") => {
            let text = "Your socket connection to the server was not read from or written to \
                        within the timeout period. Idle connections will be closed.";
            AwsError::new("RequestTimeout", 400, text)
        }
        Err(error) => {
            tracing::debug!(%error, "a body broke off");
            incomplete()
        }
    }
}

fn incomplete() -> AwsError {
    let text =
        "You did not provide the number of bytes specified by the Content-Length HTTP header";
    AwsError::new("IncompleteBody", 400, text)
}

fn missing_length() -> AwsError {
    let text = "You must provide the Content-Length HTTP header.";
    AwsError::new("MissingContentLength", 411, text)
}

fn too_large(length: u64) -> AwsError {
    let text = "Your proposed upload exceeds the maximum allowed size";
    AwsError::new("EntityTooLarge", 400, text)
        .element("ProposedSize", length.to_string())
        .element("MaxSizeAllowed", PUT_MAX.to_string())
}

/// Hashes bytes that are at hand already, for copies.
pub(crate) async fn hash_of(
    mut pieces: impl Stream<Item = Result<Bytes, AwsError>> + Send + Unpin,
    kind: Kind,
) -> Result<([u8; 16], Checksum), AwsError> {
    let mut hashes = Hashes::new(kind, false, None);
    while let Some(piece) = pieces.next().await {
        hashes.take(&piece?);
    }
    let checksum = Checksum { kind, value: hashes.checksum.finish(), is_composite: false };
    Ok((hashes.md5.finalize().into(), checksum))
}

/// A body out of a stream that breaks off in AWS's words.
pub(crate) fn body_of(
    pieces: impl Stream<Item = Result<Bytes, AwsError>> + Send + 'static,
) -> Body {
    Body::stream(pieces.map(|piece| piece.map_err(BodyError::from)))
}

/// Bytes as a stream.
pub(crate) fn once(bytes: Bytes) -> impl Stream<Item = Result<Bytes, AwsError>> + Send + 'static {
    stream::iter([Ok(bytes)])
}
