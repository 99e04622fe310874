//! Repositories, and the previews of their lifecycle policies.

use std::fmt;
use std::sync::Arc;

use haar_blobs::Digest;
use haar_ecr_contract::model::{
    EncryptionConfiguration, ImageTagMutability, LifecyclePolicyPreviewResult,
};
use haar_ledger::{Row, Snapshot};
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ImageKey, ImageRow, LayerKey, LayerRow, RegistryKey, TagKey, TagRow};

/// Names a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RepositoryKey {
    pub(crate) registry: RegistryKey,
    /// Such as `team/app`.
    pub(crate) name: String,
}

impl RepositoryKey {
    /// `arn:aws:ecr:REGION:ACCOUNT:repository/NAME`.
    pub(crate) fn arn(&self) -> String {
        let RegistryKey { account, region } = &self.registry;
        format!("arn:aws:ecr:{region}:{account}:repository/{}", self.name)
    }

    /// An image of the repository.
    pub(crate) fn image(&self, digest: Digest) -> ImageKey {
        ImageKey { repository: self.clone(), digest }
    }

    /// A layer of the repository.
    pub(crate) fn layer(&self, digest: Digest) -> LayerKey {
        LayerKey { repository: self.clone(), digest }
    }

    /// A tag of the repository.
    pub(crate) fn tag(&self, tag: &str) -> TagKey {
        TagKey { repository: self.clone(), tag: tag.to_owned() }
    }

    /// Its images, by digest.
    pub(crate) fn images<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = Arc<ImageRow>> + 'a {
        let rows = snapshot.range::<ImageRow>(self.image(Digest::MIN)..);
        rows.take_while(|row| row.key.repository == *self)
    }

    /// Its tags, by name.
    pub(crate) fn tags<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = Arc<TagRow>> + 'a {
        let rows = snapshot.range::<TagRow>(self.tag("")..);
        rows.take_while(|row| row.key.repository == *self)
    }

    /// Its layers, by digest.
    pub(crate) fn layers<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = Arc<LayerRow>> + 'a {
        let rows = snapshot.range::<LayerRow>(self.layer(Digest::MIN)..);
        rows.take_while(|row| row.key.repository == *self)
    }

    /// What stands for something of this repository in an index.
    pub(crate) fn entry(&self, of: &impl fmt::Display) -> String {
        let RegistryKey { account, region } = &self.registry;
        format!("{account}/{region}/{}@{of}", self.name)
    }
}

/// What a repository is set to, whoever made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RepositorySettings {
    pub(crate) mutability: ImageTagMutability,
    /// Patterns of tags that are the other way, with `*`.
    pub(crate) mutability_exclusions: Vec<String>,
    /// Stored; haar scans nothing.
    pub(crate) scan_on_push: bool,
    /// Stored; haar encrypts nothing.
    pub(crate) encryption: EncryptionConfiguration,
    pub(crate) tags: Tags,
    /// Who may use the repository: a JSON document.
    pub(crate) policy: Option<String>,
    pub(crate) lifecycle: Option<LifecyclePolicy>,
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self {
            mutability: ImageTagMutability::Mutable,
            mutability_exclusions: Vec::new(),
            scan_on_push: false,
            encryption: EncryptionConfiguration::default(),
            tags: Tags::new(),
            policy: None,
            lifecycle: None,
        }
    }
}

/// A lifecycle policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LifecyclePolicy {
    /// The JSON document.
    pub(crate) text: String,
    /// Writer: `controllers::lifecycle`. None before its first round.
    pub(crate) evaluated_at: Option<Timestamp>,
}

/// One repository. Writer: operations, and whatever creates repositories on its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RepositoryRow {
    pub(crate) key: RepositoryKey,
    pub(crate) created_at: Timestamp,
    pub(crate) settings: RepositorySettings,
}

impl Row for RepositoryRow {
    type Key = RepositoryKey;
    const TABLE: &'static str = "ecr.repository";

    fn key(&self) -> RepositoryKey {
        self.key.clone()
    }
}

/// A preview of a lifecycle policy. Writer: operations; it is worked out when it is asked for,
/// from a snapshot, so it is complete at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PreviewRow {
    pub(crate) repository: RepositoryKey,
    pub(crate) preview: Preview,
}

/// What a policy would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Preview {
    /// The policy.
    pub(crate) text: String,
    /// One result for each image that it concerns, without the times of the wire's shape.
    pub(crate) results: Vec<(LifecyclePolicyPreviewResult, Timestamp)>,
}

impl Row for PreviewRow {
    type Key = RepositoryKey;
    const TABLE: &'static str = "ecr.lifecycle_preview";

    fn key(&self) -> RepositoryKey {
        self.repository.clone()
    }
}
