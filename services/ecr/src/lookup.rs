//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_blobs::Digest;
use haar_ecr_contract::model::{ImageFailure, ImageFailureCode, ImageIdentifier};
use haar_kernel::Call;
use haar_ledger::{Row, Snapshot};
use haar_types::{Arn, Region};
use haar_wire::AwsError;

use crate::refusal;
use crate::rules::digests::SaidDigest;
use crate::rules::names;
use crate::state::{ImageRow, LayerRow, RegistryKey, RepositoryKey, RepositoryRow, TagRow};

/// The repository that a request names.
pub(crate) fn find_repository(
    snapshot: &Snapshot,
    key: &RepositoryKey,
) -> Result<Arc<RepositoryRow>, AwsError> {
    snapshot.get::<RepositoryRow>(key).ok_or_else(|| refusal::no_repository(key))
}

/// The key of the repository that a request names in the caller's registry or another.
pub(crate) fn key_of(call: &Call, registry_id: Option<&String>, name: &str) -> RepositoryKey {
    RegistryKey::of(call, registry_id.map(String::as_str)).repository(name)
}

/// The repository of an ARN.
pub(crate) fn find_by_arn(snapshot: &Snapshot, text: &str) -> Result<Arc<RepositoryRow>, AwsError> {
    let refused = || refusal::constraint("resourceArn", "Must be a valid ARN");
    let key = repository_of_arn(text).ok_or_else(refused)?;
    find_repository(snapshot, &key)
}

/// The key that a repository's ARN stands for.
pub(crate) fn repository_of_arn(text: &str) -> Option<RepositoryKey> {
    let arn: Arn = text.parse().ok()?;
    let name = arn.resource().strip_prefix("repository/").filter(|_| arn.service() == "ecr")?;
    let region: Region = arn.region().parse().ok()?;
    Some(RegistryKey { account: arn.account().parse().ok()?, region }.repository(name))
}

/// The layer that is meant; there need be none of a SHA-256 digest.
pub(crate) fn layer_of(
    snapshot: &Snapshot,
    key: &RepositoryKey,
    said: &SaidDigest,
) -> Option<Digest> {
    meant::<LayerRow>(snapshot, LayerRow::BY_SHA512, key, said, |row| row.key.digest)
}

/// The image that is meant; there need be none of a SHA-256 digest.
pub(crate) fn image_of(
    snapshot: &Snapshot,
    key: &RepositoryKey,
    said: &SaidDigest,
) -> Option<Digest> {
    meant::<ImageRow>(snapshot, ImageRow::BY_SHA512, key, said, |row| row.key.digest)
}

/// The usual digest of what a client may know by the other.
fn meant<R: Row>(
    snapshot: &Snapshot,
    index: &'static str,
    key: &RepositoryKey,
    said: &SaidDigest,
    digest: fn(&R) -> Digest,
) -> Option<Digest> {
    match said {
        SaidDigest::Sha256(usual) => Some(*usual),
        SaidDigest::Sha512(_) => {
            snapshot.by_index::<R>(index, &key.entry(said)).next().map(|row| digest(&row))
        }
    }
}

/// The image that an identifier names, or why there is none.
pub(crate) fn find_image(
    snapshot: &Snapshot,
    key: &RepositoryKey,
    id: &ImageIdentifier,
) -> Result<Arc<ImageRow>, ImageFailure> {
    let failure = |code: ImageFailureCode, reason: &str| ImageFailure {
        image_id: Some(id.clone()),
        failure_code: Some(code),
        failure_reason: Some(reason.to_owned()),
    };
    let not_found = || failure(ImageFailureCode::ImageNotFound, "Requested image not found");
    if let Some(tag) = &id.image_tag
        && !names::is_tag(tag)
    {
        let reason = "Invalid request parameters: image tag should satisfy the regex \
                      '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}'";
        return Err(failure(ImageFailureCode::InvalidImageTag, reason));
    }
    let digest = match &id.image_digest {
        None => None,
        Some(text) => {
            let said: SaidDigest = text.parse().map_err(|_| {
                let reason = "Invalid request parameters: image digest should satisfy the regex \
                              '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
                failure(ImageFailureCode::InvalidImageDigest, reason)
            })?;
            Some(image_of(snapshot, key, &said).ok_or_else(not_found)?)
        }
    };
    let tagged = id.image_tag.as_ref().map(|tag| snapshot.get::<TagRow>(&key.tag(tag)));
    let digest = match (digest, tagged) {
        (None, None) => {
            let reason = "Invalid request parameters: both tag and digest cannot be null";
            return Err(failure(ImageFailureCode::MissingDigestAndTag, reason));
        }
        (Some(digest), None) => digest,
        (None, Some(tag)) => tag.ok_or_else(not_found)?.digest,
        (Some(digest), Some(tag)) => {
            if tag.ok_or_else(not_found)?.digest != digest {
                let reason = "Requested tag does not match the requested digest";
                return Err(failure(ImageFailureCode::ImageTagDoesNotMatchDigest, reason));
            }
            digest
        }
    };
    snapshot.get::<ImageRow>(&key.image(digest)).ok_or_else(not_found)
}

/// The image that an identifier names, for operations that are about one.
pub(crate) fn expect_image(
    snapshot: &Snapshot,
    key: &RepositoryKey,
    id: &ImageIdentifier,
) -> Result<Arc<ImageRow>, AwsError> {
    find_image(snapshot, key, id).map_err(|failure| match failure.failure_code {
        Some(ImageFailureCode::ImageNotFound | ImageFailureCode::ImageTagDoesNotMatchDigest) => {
            refusal::no_image(key, id)
        }
        _ => refusal::invalid(failure.failure_reason.unwrap_or_default()),
    })
}
