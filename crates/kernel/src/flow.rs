//! Bodies that are still to come: unwrapped and proven while an operation takes them.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use haar_types::hex;
use haar_wire::sigv4::{self, ChunkDecoder, ChunkEvent, Dialect, Payload, SigError};
use haar_wire::{AwsError, Body, BodyError, Route, Trailers};
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use crate::gate;
use crate::inflate::Bodies;

/// Says how long a body is that comes in chunks.
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// Names the headers that will follow a body; kept among them.
const TRAILER: &str = "x-amz-trailer";

/// A request's body as the gateway hands it over.
pub(crate) enum Sent {
    Whole(Bodies),
    Flowing(Body),
}

impl Sent {
    /// The bytes that a signature was made of, where they are at hand.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bodies) => Some(&bodies.sent),
            Self::Flowing(_) => None,
        }
    }
}

type Pieces = BoxStream<'static, Result<Bytes, BodyError>>;

/// The body that a client means: without the frames of its chunks, and broken off by an
/// [`AwsError`] at its end where it is not what the request's head announced. The head is
/// brought to what it would be without chunks.
pub(crate) fn prove(
    route: &Route,
    parts: &mut Parts,
    body: Body,
    chunks: Option<ChunkDecoder>,
) -> Result<Body, AwsError> {
    let dialect = gate::dialect(route);
    match Payload::of(parts).or_else(|| presigned(parts)) {
        Some(Payload::Chunked { .. }) => {
            let length = unwrap_head(parts)?;
            let decoder = chunks.unwrap_or_else(ChunkDecoder::unsigned);
            let trailers = Trailers::default();
            if let Some(Ok(names)) = parts.headers.get(TRAILER).map(|value| value.to_str()) {
                trailers.add(TRAILER.to_owned(), names.to_owned());
            }
            let pieces = unwrap(body.into_stream().boxed(), decoder, trailers.clone(), dialect);
            Ok(Body::stream(measured(pieces.boxed(), length)).with_trailers(trailers))
        }
        Some(Payload::Hashed(hash)) => {
            Ok(Body::stream(hashed(body.into_stream().boxed(), hash, dialect)))
        }
        _ => Ok(body),
    }
}

/// What a signature in the address says of the body.
fn presigned(parts: &Parts) -> Option<Payload> {
    parts.uri.query()?;
    sigv4::claim(parts).map(|claim| claim.payload)
}

/// Makes the head one of a plain body; answers the length of that.
fn unwrap_head(parts: &mut Parts) -> Result<u64, AwsError> {
    let length = parts.headers.get(DECODED_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| {
        let text = "You must provide the Content-Length HTTP header.";
        AwsError::new("MissingContentLength", 411, text)
    })?;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let encodings = parts.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let others = encodings.map(|text| {
        let others = text.split(',').map(str::trim);
        others.filter(|name| *name != "aws-chunked").collect::<Vec<_>>().join(",")
    });
    match others.map(|others| HeaderValue::from_str(&others)) {
        Some(Ok(others)) if !others.is_empty() => {
            parts.headers.insert(CONTENT_ENCODING, others);
        }
        _ => {
            parts.headers.remove(CONTENT_ENCODING);
        }
    }
    Ok(length)
}

/// The bytes within chunks. Headers that follow them go to `trailers`.
fn unwrap(
    pieces: Pieces,
    decoder: ChunkDecoder,
    trailers: Trailers,
    dialect: Dialect,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    let begin = (pieces, Some(decoder));
    let batches = stream::try_unfold(begin, move |(mut pieces, decoder)| {
        let trailers = trailers.clone();
        async move {
            let Some(mut decoder) = decoder else { return Ok(None) };
            let Some(piece) = pieces.next().await else {
                decoder.finish().map_err(|error| refused(&error, dialect))?;
                return Ok(None);
            };
            let mut data = Vec::new();
            for event in decoder.push(&piece?).map_err(|error| refused(&error, dialect))? {
                match event {
                    ChunkEvent::Data(bytes) => data.push(Ok(bytes)),
                    ChunkEvent::Trailer(name, value) => trailers.add(name, value),
                    ChunkEvent::End => refuse_other_trailers(&trailers)?,
                }
            }
            Ok::<_, BodyError>(Some((stream::iter(data), (pieces, Some(decoder)))))
        }
    });
    batches.flat_map(|batch| match batch {
        Ok(data) => data.boxed(),
        Err(error) => stream::iter([Err(error)]).boxed(),
    })
}

/// The headers that follow a body are those that its head named, no fewer and no others.
fn refuse_other_trailers(trailers: &Trailers) -> Result<(), AwsError> {
    let announced = trailers.get(TRAILER).unwrap_or_default().to_ascii_lowercase();
    let announced: BTreeSet<&str> =
        announced.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let names = trailers.names();
    let came: BTreeSet<&str> =
        names.iter().map(String::as_str).filter(|name| *name != TRAILER).collect();
    match announced == came {
        true => Ok(()),
        false => {
            let text = "The request contained trailing data that was not well-formed or did not \
                        conform to our published schema.";
            Err(AwsError::new("MalformedTrailerError", 400, text))
        }
    }
}

/// Breaks off at the end where there were not as many bytes as announced.
fn measured(pieces: Pieces, announced: u64) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    watched(
        pieces,
        0_u64,
        |length, piece| *length += piece.len() as u64,
        move |length| {
            let text = "You did not provide the number of bytes specified by the Content-Length HTTP \
                    header.";
            let refusal = || AwsError::new("IncompleteBody", 400, text);
            (length == announced).then_some(()).ok_or_else(refusal)
        },
    )
}

/// Breaks off at the end where the bytes have another hash than announced.
fn hashed(
    pieces: Pieces,
    announced: String,
    dialect: Dialect,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    watched(
        pieces,
        Sha256::new(),
        |hash, piece| hash.update(piece),
        move |hash| {
            let hex = hex(&hash.finalize());
            match hex.eq_ignore_ascii_case(&announced) {
                true => Ok(()),
                false => Err(gate::refused(&SigError::body_mismatch(), dialect)
                    .element("ClientComputedContentSHA256", announced)
                    .element("S3ComputedContentSHA256", hex)),
            }
        },
    )
}

/// Looks at each piece, and has the last word at the end.
fn watched<W: Send + 'static>(
    pieces: Pieces,
    watch: W,
    see: impl Fn(&mut W, &Bytes) + Copy + Send + 'static,
    judge: impl FnOnce(W) -> Result<(), AwsError> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::try_unfold(Some((pieces, watch, judge)), move |state| async move {
        let Some((mut pieces, mut watch, judge)) = state else { return Ok(None) };
        match pieces.next().await {
            Some(piece) => {
                let piece = piece?;
                see(&mut watch, &piece);
                Ok(Some((piece, Some((pieces, watch, judge)))))
            }
            None => judge(watch).map(|()| None).map_err(BodyError::from),
        }
    })
}

fn refused(error: &SigError, dialect: Dialect) -> BodyError {
    gate::refused(error, dialect).into()
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    async fn collected(
        pieces: impl Stream<Item = Result<Bytes, BodyError>>,
    ) -> Result<Vec<u8>, String> {
        let joined = pieces.try_collect::<Vec<Bytes>>().await;
        joined.map(|all| all.concat()).map_err(|error| error.to_string())
    }

    fn pieces(of: &'static [&'static [u8]]) -> Pieces {
        stream::iter(of.iter().map(|piece| Ok(Bytes::from_static(piece)))).boxed()
    }

    #[tokio::test]
    async fn frames_are_taken_off_and_trailers_kept() {
        let trailers = Trailers::default();
        trailers.add(TRAILER.to_owned(), "x-amz-checksum-crc32".to_owned());
        let sent =
            pieces(&[b"3\r\nab", b"c\r\n2\r\nde\r\n0\r\n", b"x-amz-checksum-crc32:v\r\n\r\n"]);
        let unwrapped = unwrap(sent, ChunkDecoder::unsigned(), trailers.clone(), Dialect::S3);
        assert_eq!(collected(measured(unwrapped.boxed(), 5)).await.unwrap(), b"abcde");
        assert_eq!(trailers.get("x-amz-checksum-crc32").as_deref(), Some("v"));
    }

    #[tokio::test]
    async fn trailers_are_those_that_were_announced() {
        for end in ["", "x-amz-checksum-sha1:v\r\n", "x-amz-checksum-crc32:v\r\na:b\r\n"] {
            let trailers = Trailers::default();
            trailers.add(TRAILER.to_owned(), "x-amz-checksum-crc32".to_owned());
            let text = Bytes::from(format!("1\r\na\r\n0\r\n{end}\r\n"));
            let sent = stream::iter([Ok(text)]).boxed();
            let unwrapped = unwrap(sent, ChunkDecoder::unsigned(), trailers, Dialect::S3);
            let refused = collected(unwrapped).await.unwrap_err();
            assert!(refused.contains("MalformedTrailerError"), "{refused}");
        }
    }

    #[tokio::test]
    async fn what_ends_early_or_is_not_as_long_as_said_breaks_off() {
        let cut = unwrap(
            pieces(&[b"3\r\nabc\r\n"]),
            ChunkDecoder::unsigned(),
            Trailers::default(),
            Dialect::S3,
        );
        assert!(collected(cut).await.unwrap_err().contains("terminated unexpectedly"));
        let short = collected(measured(pieces(&[b"abc"]), 4)).await.unwrap_err();
        assert!(short.contains("IncompleteBody"), "{short}");
    }

    #[tokio::test]
    async fn a_body_must_have_the_hash_that_was_announced() {
        let right = Payload::Hashed(haar_wire::sigv4::body_hash(b"abc"));
        let Payload::Hashed(right) = right else { return };
        let good = hashed(pieces(&[b"a", b"bc"]), right.clone(), Dialect::S3);
        assert_eq!(collected(good).await.unwrap(), b"abc");
        let bad = collected(hashed(pieces(&[b"abd"]), right, Dialect::S3)).await.unwrap_err();
        assert!(bad.contains("XAmzContentSHA256Mismatch"), "{bad}");
    }
}
