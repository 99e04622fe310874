//! Bodies of answers, which may come slowly, or stop.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_core::stream::BoxStream;
use futures_util::stream::{self, StreamExt as _};
use haar_clock::Clock;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;

use crate::connection;
use crate::error::RegistryError;

/// A body that is being read.
struct Reading {
    clock: Clock,
    idle: Duration,
    url: String,
    body: Incoming,
    /// Bytes that were not asked for and come all the same.
    skip: u64,
}

/// The bytes of an answer from an offset on, whether or not the server knows ranges.
pub(super) fn from(
    clock: Clock,
    idle: Duration,
    url: &str,
    answer: Response<Incoming>,
    from: u64,
) -> Result<BoxStream<'static, Result<Bytes, RegistryError>>, RegistryError> {
    let skip = match answer.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = answer.headers().get(header::CONTENT_RANGE);
            let range = range.and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !range.starts_with(&format!("bytes {from}-")) {
                let text = format!("{url} was asked for bytes from {from} on, and sent {range:?}");
                return Err(RegistryError::Malformed(text));
            }
            0
        }
        _ => from,
    };
    let reading = Reading { clock, idle, url: url.to_owned(), body: answer.into_body(), skip };
    Ok(stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Ok(piece.map(|piece| (piece, reading)))
    })
    .boxed())
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let frame = self.clock.timeout(self.idle, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| self.broken("i/o timeout".to_owned()))? else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| self.broken(connection::said(&error)))?;
            let Ok(mut piece) = frame.into_data() else { continue };
            let skipped = piece.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            piece.advance(skipped);
            self.skip -= skipped as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    fn broken(&self, why: String) -> RegistryError {
        RegistryError::Unreachable { url: self.url.clone(), why }
    }
}

/// A whole body of at most so many bytes.
pub(super) async fn collect(
    mut pieces: BoxStream<'static, Result<Bytes, RegistryError>>,
    url: &str,
    bytes_max: usize,
) -> Result<Bytes, RegistryError> {
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece?);
        if all.len() > bytes_max {
            return Err(RegistryError::Malformed(format!(
                "{url} sent more than {bytes_max} bytes"
            )));
        }
    }
    Ok(all.freeze())
}

/// The first of a registry's errors as `: CODE: TEXT`, the code written as containerd does.
pub(super) fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Said>,
    }
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|document| document.errors);
    let first = errors.ok().and_then(|errors| errors.into_iter().next());
    first.map_or_else(String::new, |Said { code, message }| {
        format!(": {}: {message}", code.to_ascii_lowercase().replace('_', " "))
    })
}
