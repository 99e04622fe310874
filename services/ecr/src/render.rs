//! Rows as the wire has them.

use haar_ecr_contract::model::{ArtifactStatus, LifecyclePolicyStorageClass};
use haar_ecr_contract::model::{
    EncryptionConfiguration, ImageDetail, ImageIdentifier, ImageReferrer,
    ImageScanningConfiguration, ImageStatus, Repository,
};
use haar_ledger::Snapshot;

use crate::rules::{hosts, mutability};
use crate::state::{ImageRow, RepositoryRow};

/// A repository; its address is below the one that the caller has used.
pub(crate) fn repository(row: &RepositoryRow, endpoint: &str) -> Repository {
    let (key, settings) = (&row.key, &row.settings);
    let host = hosts::host_of(&key.registry, endpoint);
    Repository {
        repository_arn: Some(key.arn()),
        registry_id: Some(key.registry.account.to_string()),
        repository_name: Some(key.name.clone()),
        repository_uri: Some(format!("{host}/{}", key.name)),
        created_at: Some(row.created_at),
        image_tag_mutability: Some(settings.mutability),
        image_tag_mutability_exclusion_filters: mutability::shown(settings),
        image_scanning_configuration: Some(ImageScanningConfiguration {
            scan_on_push: Some(settings.scan_on_push),
        }),
        encryption_configuration: Some(EncryptionConfiguration { ..settings.encryption.clone() }),
    }
}

/// An image with its tags.
pub(crate) fn image(snapshot: &Snapshot, row: &ImageRow) -> ImageDetail {
    let key = &row.key.repository;
    let tags = row.tags(snapshot);
    ImageDetail {
        registry_id: Some(key.registry.account.to_string()),
        repository_name: Some(key.name.clone()),
        image_digest: Some(row.key.digest.to_string()),
        image_tags: (!tags.is_empty()).then_some(tags),
        image_size_in_bytes: i64::try_from(row.size(snapshot)).ok(),
        image_pushed_at: Some(row.pushed_at),
        image_manifest_media_type: Some(row.media_type.clone()),
        artifact_media_type: row.artifact_type.clone(),
        last_recorded_pull_time: row.pulled_at,
        subject_manifest_digest: row.subject.map(|subject| subject.to_string()),
        image_status: Some(image_status(row)),
        last_archived_at: row.archived_at,
        last_activated_at: row.activated_at,
        ..ImageDetail::default()
    }
}

/// Where an image is.
pub(crate) fn image_status(row: &ImageRow) -> ImageStatus {
    if row.is_archived { ImageStatus::Archived } else { ImageStatus::Active }
}

/// Where an image is, as previews say it.
pub(crate) fn storage_class(row: &ImageRow) -> LifecyclePolicyStorageClass {
    match row.is_archived {
        true => LifecyclePolicyStorageClass::Archive,
        false => LifecyclePolicyStorageClass::Standard,
    }
}

/// An image by its digest, and a tag perhaps.
pub(crate) fn identifier(row: &ImageRow, tag: Option<String>) -> ImageIdentifier {
    ImageIdentifier { image_digest: Some(row.key.digest.to_string()), image_tag: tag }
}

/// An image that is about another one.
pub(crate) fn referrer(row: &ImageRow) -> ImageReferrer {
    ImageReferrer {
        digest: row.key.digest.to_string(),
        media_type: row.media_type.clone(),
        artifact_type: row.artifact_type.clone(),
        size: i64::try_from(row.manifest_size).unwrap_or(i64::MAX),
        annotations: (!row.annotations.is_empty()).then(|| row.annotations.clone()),
        artifact_status: Some(match row.is_archived {
            true => ArtifactStatus::Archived,
            false => ArtifactStatus::Active,
        }),
    }
}
