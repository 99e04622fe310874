//! Images and their tags.

use std::collections::BTreeMap;

use haar_blobs::{Digest, Digest512};
use haar_ledger::{IndexEntry, Row, Snapshot};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::RepositoryKey;
use crate::rules::digests::SaidDigest;

/// Names an image: a manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ImageKey {
    pub(crate) repository: RepositoryKey,
    pub(crate) digest: Digest,
}

/// A blob that a manifest refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRef {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// One image. Its manifest's bytes are a blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImageRow {
    pub(crate) key: ImageKey,
    pub(crate) media_type: String,
    /// Bytes of the manifest.
    pub(crate) manifest_size: u64,
    /// What it is an artifact of: its own type, or that of its configuration.
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Option<LayerRef>,
    /// Layers that are kept here; foreign ones are not among them.
    pub(crate) layers: Vec<LayerRef>,
    /// Manifests that an index lists.
    pub(crate) children: Vec<Digest>,
    /// The manifest that this one is about, which may never have been pushed.
    pub(crate) subject: Option<SaidDigest>,
    /// Shown to those who ask for referrers.
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) pushed_at: Timestamp,
    /// When a pull was last recorded.
    pub(crate) pulled_at: Option<Timestamp>,
    /// Set while and after the image is in the archive.
    pub(crate) archived_at: Option<Timestamp>,
    /// When it last came back from the archive.
    pub(crate) activated_at: Option<Timestamp>,
    /// In the archive: not to be pulled.
    pub(crate) is_archived: bool,
    /// What it was pushed as, where that is not its own digest.
    #[serde(default)]
    pub(crate) sha512: Option<Digest512>,
}

impl ImageRow {
    /// Bytes of its layers; of an index, those of its largest image. AWS docs: *Amazon ECR API
    /// Reference > ImageDetail*.
    pub(crate) fn size(&self, snapshot: &Snapshot) -> u64 {
        let own = self.layers_size();
        let children = self.children.iter().filter_map(|child| {
            let child = snapshot.get::<Self>(&self.key.repository.image(*child))?;
            Some(child.layers_size())
        });
        children.max().unwrap_or(0).max(own)
    }

    /// As its manifest has them; an upstream's may say anything.
    fn layers_size(&self) -> u64 {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
    }

    /// What stands for it in indexes, one for each of its names.
    pub(crate) fn entries(&self) -> Vec<String> {
        let other = self.sha512.map(SaidDigest::Sha512);
        let names = std::iter::once(SaidDigest::from(self.key.digest)).chain(other);
        names.map(|name| self.key.repository.entry(&name)).collect()
    }

    /// Its tags.
    pub(crate) fn tags(&self, snapshot: &Snapshot) -> Vec<String> {
        let entry = self.key.repository.entry(&self.key.digest);
        let rows = snapshot.by_index::<TagRow>(TagRow::BY_IMAGE, &entry);
        rows.map(|row| row.key.tag.clone()).collect()
    }

    /// Indexes of the repository that list it.
    pub(crate) fn parents(&self, snapshot: &Snapshot) -> Vec<Digest> {
        let entry = self.key.repository.entry(&self.key.digest);
        let rows = snapshot.by_index::<Self>(Self::BY_CHILD, &entry);
        rows.map(|row| row.key.digest).collect()
    }

    /// Finds images by a layer or configuration.
    pub(crate) const BY_LAYER: &'static str = "layer";
    /// Finds indexes by what they list.
    pub(crate) const BY_CHILD: &'static str = "child";
    /// Finds images by what they are about.
    pub(crate) const BY_SUBJECT: &'static str = "subject";
    /// Finds images by their other digest.
    pub(crate) const BY_SHA512: &'static str = "sha512";
}

impl Row for ImageRow {
    type Key = ImageKey;
    const TABLE: &'static str = "ecr.image";

    fn key(&self) -> ImageKey {
        self.key.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let entry = |name, of: &Digest| IndexEntry::new(name, self.key.repository.entry(of));
        let said = |name, of: &SaidDigest| IndexEntry::new(name, self.key.repository.entry(of));
        let blobs = self.config.iter().chain(&self.layers);
        blobs
            .map(|blob| entry(Self::BY_LAYER, &blob.digest))
            .chain(self.children.iter().map(|child| entry(Self::BY_CHILD, child)))
            .chain(self.subject.iter().map(|subject| said(Self::BY_SUBJECT, subject)))
            .chain(self.sha512.map(|it| said(Self::BY_SHA512, &SaidDigest::Sha512(it))))
            .collect()
    }
}

/// Names a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct TagKey {
    pub(crate) repository: RepositoryKey,
    pub(crate) tag: String,
}

/// One tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TagRow {
    pub(crate) key: TagKey,
    /// The image that it stands at.
    pub(crate) digest: Digest,
    /// When it was set, or, in a cache, last compared with the upstream's.
    pub(crate) checked_at: Timestamp,
}

impl TagRow {
    /// Finds tags by the image that they stand at.
    pub(crate) const BY_IMAGE: &'static str = "image";
}

impl Row for TagRow {
    type Key = TagKey;
    const TABLE: &'static str = "ecr.tag";

    fn key(&self) -> TagKey {
        self.key.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new(Self::BY_IMAGE, self.key.repository.entry(&self.digest))]
    }
}
