//! Manifests: pulled, pushed, deleted.

use std::sync::Arc;

use haar_blobs::Digest;
use haar_ecr_contract::model::ImageIdentifier;
use haar_wire::Body;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::json;

use super::caller::Caller;
use super::fault::Fault;
use super::{RegistrySite, Served, empty, header_text, set};
use crate::images::{self, Push};
use crate::lookup::{find_image, find_repository};
use crate::refusal;
use crate::rules::digests::SaidDigest;
use crate::rules::manifest::{self, BYTES_MAX};
use crate::rules::names;
use crate::state::{ImageRow, RepositoryKey, TagRow};

/// A tag or a digest, as paths have it.
pub(super) enum Reference<'a> {
    Tag(&'a str),
    Digest(SaidDigest),
}

impl<'a> Reference<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        if let Ok(digest) = text.parse() {
            return Ok(Self::Digest(digest));
        }
        if text.contains(':') {
            return Err(Fault::bad_digest(text));
        }
        let bad = || {
            let message = "Invalid image tag: must satisfy regular expression \
                           '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}'";
            Fault::new(StatusCode::BAD_REQUEST, "TAG_INVALID", message)
        };
        names::is_tag(text).then_some(Self::Tag(text)).ok_or_else(bad)
    }

    /// The same where nothing is made of it: what can be no tag is none that is there.
    fn of_something(text: &'a str) -> Result<Self, Fault> {
        match text.contains(':') {
            true => Self::parse(text),
            false => Ok(Self::Tag(text)),
        }
    }

    pub(super) fn identifier(&self) -> ImageIdentifier {
        match self {
            Self::Tag(tag) => {
                ImageIdentifier { image_tag: Some((*tag).to_owned()), image_digest: None }
            }
            Self::Digest(digest) => {
                ImageIdentifier { image_digest: Some(digest.to_string()), image_tag: None }
            }
        }
    }
}

impl RegistrySite {
    /// `GET` and `HEAD /v2/NAME/manifests/REFERENCE`.
    pub(super) async fn get_manifest(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        text: &str,
        parts: &Parts,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:BatchGetImage")?;
        let reference = Reference::of_something(text)?;
        let image = self.find(caller, key, &reference).await?;
        let is_head = parts.method == Method::HEAD;
        let body = match is_head {
            true => Body::empty(),
            false => {
                let read = self.room.doors.blobs.bytes(&image.key.digest).await;
                Body::from(read.map_err(|fault| Fault::of_blob(&fault))?)
            }
        };
        if !is_head {
            self.room.pulls.record(&image, &caller.call.principal);
        }
        let mut response = Response::new(body);
        set(&mut response, "content-type", &image.media_type);
        set(&mut response, "content-length", image.manifest_size.to_string());
        let said = match reference {
            Reference::Tag(_) => image.key.digest.into(),
            Reference::Digest(said) => said,
        };
        set(&mut response, "docker-content-digest", said.to_string());
        set(&mut response, "etag", format!("\"{}\"", image.key.digest));
        Ok(response)
    }

    async fn find(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        reference: &Reference<'_>,
    ) -> Result<Arc<ImageRow>, Fault> {
        let id = reference.identifier();
        self.room.ensure_image(&caller.call, key, &id).await?;
        let snapshot = self.room.doors.ledger.snapshot();
        find_repository(&snapshot, key)?;
        let unknown = || Fault::no_manifest(unknown(key, &id));
        let image = find_image(&snapshot, key, &id).map_err(|_| unknown())?;
        if image.is_archived {
            return Err(Fault::no_manifest(refusal::archived(key, &id).message()));
        }
        Ok(image)
    }

    /// `PUT /v2/NAME/manifests/REFERENCE`.
    pub(super) async fn put_manifest(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        text: &str,
        parts: &Parts,
        body: Body,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:PutImage")?;
        let reference = Reference::parse(text)?;
        self.create_on_push(caller, key).await?;
        find_repository(&self.room.doors.ledger.snapshot(), key)?;
        let collected = Limited::new(body, BYTES_MAX).collect().await.map_err(|_| {
            let text = format!("a manifest has at most {BYTES_MAX} bytes");
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", text)
        })?;
        let bytes = collected.to_bytes();
        let parsed = manifest::parse(&bytes, header_text(parts, "content-type"));
        let parsed =
            parsed.map_err(|why| Fault::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", why))?;
        let digest = Digest::of(&bytes);
        let (tag, said) = match reference {
            Reference::Tag(tag) => (Some(tag), digest.into()),
            Reference::Digest(said) if said.is_of(&bytes) => (None, said),
            Reference::Digest(said) => return Err(Fault::bad_digest(&said.to_string())),
        };
        let manifest_size = bytes.len() as u64;
        let kept = self.room.doors.blobs.put(bytes).await;
        kept.map_err(|fault| Fault::of_blob(&fault))?;
        let push = Push {
            repository: key,
            digest,
            manifest: &parsed,
            manifest_size,
            tag,
            is_cached: false,
            sha512: said.sha512(),
            telling: self.room.telling(caller.call.now),
        };
        match self.room.commit(|tx| push.commit(tx)).await {
            // Clients push again what is there.
            Err(error) if error.name() == "ImageAlreadyExistsException" => {}
            Err(error) if error.name() == "InvalidParameterException" => {
                let text = error.message();
                return Err(Fault::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", text));
            }
            other => other?,
        }
        let mut response = empty(StatusCode::CREATED);
        set(&mut response, "location", format!("/v2/{}/manifests/{said}", key.name));
        set(&mut response, "docker-content-digest", said.to_string());
        if let Some(subject) = parsed.subject {
            set(&mut response, "oci-subject", subject.to_string());
        }
        Ok(response)
    }

    /// `DELETE /v2/NAME/manifests/REFERENCE`: a tag, or an image with its tags.
    pub(super) async fn delete_manifest(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        text: &str,
    ) -> Served {
        self.room.permit(&caller.call, key, "ecr:BatchDeleteImage")?;
        let reference = Reference::of_something(text)?;
        let (id, telling) = (reference.identifier(), self.room.telling(caller.call.now));
        let deleted = self.room.commit(|tx| {
            find_repository(tx, key)?;
            match reference {
                Reference::Tag(tag) => {
                    let removed = tx.remove::<TagRow>(&key.tag(tag));
                    if let Some(row) = &removed {
                        telling.deleted(tx, &key.image(row.digest), Some(tag));
                    }
                    Ok(removed.map(drop).ok_or_else(|| Fault::no_manifest(unknown(key, &id))))
                }
                Reference::Digest(_) => Ok(images::delete(tx, key, &id, &telling)
                    .map(drop)
                    .map_err(|failure| not_deleted(key, &failure))),
            }
        });
        deleted.await?.map(|()| empty(StatusCode::ACCEPTED))
    }
}

fn not_deleted(key: &RepositoryKey, failure: &haar_ecr_contract::model::ImageFailure) -> Fault {
    use haar_ecr_contract::model::ImageFailureCode;
    let reason = failure.failure_reason.clone().unwrap_or_default();
    match failure.failure_code {
        Some(ImageFailureCode::ImageReferencedByManifestList) => {
            Fault::new(StatusCode::CONFLICT, "DENIED", reason)
        }
        _ => {
            let id = failure.image_id.clone().unwrap_or_default();
            Fault::no_manifest(unknown(key, &id)).detail(json!({ "reason": reason }))
        }
    }
}

/// ECR's text for a manifest that is not there.
fn unknown(key: &RepositoryKey, id: &ImageIdentifier) -> String {
    format!(
        "Requested image not found: {} in the repository with name '{}' in the registry with id \
         '{}'",
        refusal::shown(id),
        key.name,
        key.registry.account
    )
}
