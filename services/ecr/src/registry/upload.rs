//! Pushing blobs: in one request, in chunks, or by mounting what is there.

use haar_blobs::BlobError;
use haar_ecr_contract::model::RCTAppliedFor;
use haar_wire::{AwsError, Body};
use http::request::Parts;
use http::{Response, StatusCode};

use super::caller::Caller;
use super::fault::Fault;
use super::{RegistrySite, Served, empty, header_text, query, set};
use crate::creation;
use crate::layers::{self, BYTES_MAX};
use crate::ops::account::{BLOB_MOUNTING, setting};
use crate::rules::digests::SaidDigest;
use crate::state::{RepositoryKey, RepositoryRow, UploadRow};

impl RegistrySite {
    /// `POST /v2/NAME/blobs/uploads/`, with `?mount=&from=` or `?digest=`.
    pub(super) async fn begin_upload(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        parts: &Parts,
        body: Body,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:InitiateLayerUpload")?;
        self.create_on_push(caller, key).await?;
        if let Some(mounted) = self.mount(caller, key, parts).await? {
            return Ok(created_blob(key, &mounted));
        }
        let id = self.room.begin_upload(&caller.call, key).await?;
        match query(parts, "digest") {
            None => Ok(accepted(key, &id, 0)),
            Some(_) => self.finish_upload(caller, key, &id, parts, body).await,
        }
    }

    /// A repository that a template wants created when it is pushed to.
    pub(super) async fn create_on_push(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
    ) -> Result<(), AwsError> {
        let snapshot = self.room.doors.ledger.snapshot();
        let is_there = snapshot.contains::<RepositoryRow>(key);
        if is_there || creation::template(&snapshot, key, RCTAppliedFor::CreateOnPush).is_none() {
            return Ok(());
        }
        self.room.permit(&caller.call, key, "ecr:CreateRepository")?;
        self.room
            .commit(|tx| {
                creation::ensure_on_push(tx, key, caller.call.now);
                Ok(())
            })
            .await
    }

    /// Mounts what the request names. None where that cannot be done: the client uploads then.
    async fn mount(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        parts: &Parts,
    ) -> Result<Option<SaidDigest>, Fault> {
        let Some(text) = query(parts, "mount") else { return Ok(None) };
        let digest: SaidDigest = text.parse().map_err(|_| Fault::bad_digest(&text))?;
        let snapshot = self.room.doors.ledger.snapshot();
        let enabled = setting(&key.registry.row(&snapshot), BLOB_MOUNTING);
        if enabled.as_deref() != Some("ENABLED") {
            return Ok(None);
        }
        let from = match query(parts, "from") {
            Some(from) => Some(key.registry.repository(&from)),
            None => layers::anywhere(&snapshot, key, &digest),
        };
        let readable = |from: &RepositoryKey| {
            self.room.permit(&caller.call, from, "ecr:GetDownloadUrlForLayer").is_ok()
        };
        let Some(from) = from.filter(readable) else { return Ok(None) };
        let now = caller.call.now;
        let mounted = self.room.commit(|tx| layers::mount(tx, &from, key, &digest, now)).await?;
        Ok(mounted.then_some(digest))
    }

    /// `GET /v2/NAME/blobs/uploads/ID`.
    pub(super) async fn upload_status(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        id: &str,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:UploadLayerPart")?;
        self.room.find_upload(key, id)?;
        let length = self.room.doors.blobs.upload_length(id).await;
        let length = length.map_err(|fault| no_upload(&fault, key, id))?;
        let mut response = accepted(key, id, length);
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// `PATCH /v2/NAME/blobs/uploads/ID`: a chunk, or all there is.
    pub(super) async fn append_upload(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        id: &str,
        parts: &Parts,
        body: Body,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:UploadLayerPart")?;
        let upload = self.room.find_upload(key, id)?;
        let length = self.append(&upload, parts, body).await?;
        Ok(accepted(key, id, length))
    }

    async fn append(&self, upload: &UploadRow, parts: &Parts, body: Body) -> Result<u64, Fault> {
        let (id, key) = (&upload.key.0, &upload.repository);
        let offset = match header_text(parts, "content-range") {
            None => None,
            Some(text) => Some(chunk_of(text, header_text(parts, "content-length"))?),
        };
        let blobs = &self.room.doors.blobs;
        let appended = blobs.append_upload(id, offset, body.into_stream(), BYTES_MAX).await;
        appended.map_err(|fault| match fault {
            BlobError::OutOfOrder(length) => {
                let text = "the chunk does not begin where the upload ends";
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                Fault::new(status, "BLOB_UPLOAD_INVALID", text)
                    .header("location", location(key, id))
                    .header("range", range(length))
                    .header("docker-upload-uuid", id.clone())
            }
            fault => no_upload(&fault, key, id),
        })
    }

    /// `PUT /v2/NAME/blobs/uploads/ID?digest=`, with the last chunk, all bytes, or none.
    pub(super) async fn finish_upload(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        id: &str,
        parts: &Parts,
        body: Body,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:CompleteLayerUpload")?;
        let upload = self.room.find_upload(key, id)?;
        let text = query(parts, "digest").unwrap_or_default();
        let digest: SaidDigest = text.parse().map_err(|_| Fault::bad_digest(&text))?;
        self.append(&upload, parts, body).await?;
        let now = self.room.doors.clock.now();
        match self.room.finish_upload(&upload, &digest, now).await? {
            Ok(_) => Ok(created_blob(key, &digest)),
            Err(fault) => {
                // Bytes that are not what they were said to be are of no use.
                self.room.abort_upload(&upload).await?;
                Err(Fault::of_blob(&fault))
            }
        }
    }

    /// `DELETE /v2/NAME/blobs/uploads/ID`.
    pub(super) async fn abort_upload(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        id: &str,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:UploadLayerPart")?;
        let upload = self.room.find_upload(key, id)?;
        self.room.abort_upload(&upload).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}

/// Where a chunk begins: `FIRST-LAST`, which must agree with its length.
fn chunk_of(text: &str, length: Option<&str>) -> Result<u64, Fault> {
    let bad = || {
        let text = "Content-Range must be FIRST-LAST and agree with Content-Length";
        Fault::new(StatusCode::BAD_REQUEST, "SIZE_INVALID", text)
    };
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let text = text.split('/').next().unwrap_or_default();
    let (first, last) = text.split_once('-').ok_or_else(bad)?;
    let (first, last): (u64, u64) =
        first.parse().ok().zip(last.parse().ok()).filter(|(f, l)| f <= l).ok_or_else(bad)?;
    let length = length.and_then(|length| length.parse::<u64>().ok());
    match length.is_none_or(|length| length == last - first + 1) {
        true => Ok(first),
        false => Err(bad()),
    }
}

fn no_upload(fault: &BlobError, key: &RepositoryKey, id: &str) -> Fault {
    match fault {
        BlobError::NoUpload(_) => crate::refusal::no_upload(key, id).into(),
        fault => Fault::of_blob(fault),
    }
}

fn location(key: &RepositoryKey, id: &str) -> String {
    format!("/v2/{}/blobs/uploads/{id}", key.name)
}

/// The bytes that an upload has: `0-LAST`, and `0-0` for none as well.
fn range(length: u64) -> String {
    format!("0-{}", length.saturating_sub(1))
}

fn accepted(key: &RepositoryKey, id: &str, length: u64) -> Response<Body> {
    let mut response = empty(StatusCode::ACCEPTED);
    set(&mut response, "location", location(key, id));
    set(&mut response, "range", range(length));
    set(&mut response, "docker-upload-uuid", id);
    response
}

fn created_blob(key: &RepositoryKey, digest: &SaidDigest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, "location", format!("/v2/{}/blobs/{digest}", key.name));
    set(&mut response, "docker-content-digest", digest.to_string());
    response
}
