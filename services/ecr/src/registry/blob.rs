//! Blobs: read, whole or in part, and deleted.

use futures_util::TryStreamExt as _;
use haar_blobs::{BlobError, Blobs, Digest};
use haar_ledger::Tx;
use haar_wire::{AwsError, Body, BodyError};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;

use super::caller::Caller;
use super::fault::Fault;
use super::{RegistrySite, Served, empty, header_text, set};
use crate::lookup::{find_repository, layer_of};
use crate::rules::digests::SaidDigest;
use crate::state::{LayerRow, RepositoryKey};

impl RegistrySite {
    /// `GET` and `HEAD /v2/NAME/blobs/DIGEST`.
    pub(super) async fn get_blob(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        text: &str,
        parts: &Parts,
    ) -> Served {
        let action = match parts.method {
            Method::HEAD => "ecr:BatchCheckLayerAvailability",
            _ => "ecr:GetDownloadUrlForLayer",
        };
        self.room.permit(&caller.call, key, action)?;
        let said: SaidDigest = text.parse().map_err(|_| Fault::bad_digest(text))?;
        let snapshot = self.room.doors.ledger.snapshot();
        find_repository(&snapshot, key)?;
        let digest = layer_of(&snapshot, key, &said).ok_or_else(|| Fault::no_blob(text))?;
        let found = self.room.ensure_layer(key, &digest).await?;
        found.ok_or_else(|| Fault::no_blob(text))?;
        let mut response = serve(&self.room.doors.blobs, &digest, parts).await?;
        set(&mut response, "docker-content-digest", text);
        Ok(response)
    }

    /// `DELETE /v2/NAME/blobs/DIGEST`. One that an image needs stays.
    pub(super) async fn delete_blob(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        text: &str,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:BatchDeleteImage")?;
        let said: SaidDigest = text.parse().map_err(|_| Fault::bad_digest(text))?;
        let removed = self.room.commit(|tx: &mut Tx| {
            find_repository(tx, key)?;
            let Some(digest) = layer_of(tx, key, &said) else { return Ok(Some(false)) };
            let layer = key.layer(digest);
            if layer.is_needed(tx) {
                return Ok::<_, AwsError>(None);
            }
            Ok(Some(tx.remove::<LayerRow>(&layer).is_some()))
        });
        match removed.await? {
            Some(true) => Ok(empty(StatusCode::ACCEPTED)),
            Some(false) => Err(Fault::no_blob(text)),
            None => {
                let why = "the blob belongs to an image";
                Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", why)
                    .detail(json!({ "digest": text })))
            }
        }
    }
}

/// Answers with a blob's bytes, or those of its `Range`.
pub(crate) async fn serve(blobs: &Blobs, digest: &Digest, parts: &Parts) -> Served {
    let opened = blobs.open_blob(digest).await;
    let blob = opened.map_err(|fault| match fault {
        BlobError::Missing(_) => Fault::no_blob(&digest.to_string()),
        fault => Fault::of_blob(&fault),
    })?;
    let size = blob.length();
    let range = header_text(parts, "range").map(|text| Range::parse(text, size));
    let (status, first, length) = match range {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, size),
        Some(Range::Part(first, length)) => (StatusCode::PARTIAL_CONTENT, first, length),
        Some(Range::Impossible) => {
            let text = "invalid content range";
            return Err(Fault::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", text)
                .header("content-range", format!("bytes */{size}")));
        }
    };
    let body = match parts.method {
        Method::HEAD => Body::empty(),
        _ => Body::stream(blob.send(first, length).map_err(BodyError::from)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + length - 1;
        set(&mut response, "content-range", format!("bytes {first}-{last}/{size}"));
    }
    set(&mut response, "content-length", length.to_string());
    set(&mut response, "content-type", "application/octet-stream");
    set(&mut response, "accept-ranges", "bytes");
    set(&mut response, "docker-content-digest", digest.to_string());
    set(&mut response, "etag", format!("\"{digest}\""));
    Ok(response)
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From a position, so many bytes.
    Part(u64, u64),
    /// Nothing that is there.
    Impossible,
    /// More than one range, or none that we know: all is answered.
    Ignored,
}

impl Range {
    fn parse(text: &str, size: u64) -> Self {
        let Some(spec) = text.strip_prefix("bytes=") else { return Self::Ignored };
        let Some((first, last)) = spec.trim().split_once('-') else { return Self::Ignored };
        let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
            (Ok(first), Err(_)) if last.is_empty() => (first, size.saturating_sub(1)),
            (Err(_), Ok(count)) if first.is_empty() && count > 0 => {
                (size.saturating_sub(count), size.saturating_sub(1))
            }
            _ => return Self::Ignored,
        };
        if first >= size || last < first {
            return Self::Impossible;
        }
        Self::Part(first, last - first + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, range) in [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=5-", Range::Part(5, 95)),
            ("bytes=-10", Range::Part(90, 10)),
            ("bytes=-1000", Range::Part(0, 100)),
            ("bytes=90-1000", Range::Part(90, 10)),
            ("bytes=100-", Range::Impossible),
            ("bytes=9-5", Range::Impossible),
            ("bytes=0-1,5-6", Range::Ignored),
            ("lines=0-1", Range::Ignored),
        ] {
            assert_eq!(Range::parse(text, 100), range, "{text}");
        }
        assert_eq!(Range::parse("bytes=0-", 0), Range::Impossible);
    }
}
