//! Layers and image configurations that a repository has.

use haar_blobs::{Digest, Digest512};
use haar_ledger::{IndexEntry, Row, Snapshot};
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ImageRow, RepositoryKey};

/// Names a layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LayerKey {
    pub(crate) repository: RepositoryKey,
    pub(crate) digest: Digest,
}

impl LayerKey {
    /// True while an image of the repository needs it.
    pub(crate) fn is_needed(&self, snapshot: &Snapshot) -> bool {
        let entry = self.repository.entry(&self.digest);
        snapshot.by_index::<ImageRow>(ImageRow::BY_LAYER, &entry).next().is_some()
    }
}

/// One layer of a repository. Its bytes are a blob, which repositories share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerRow {
    pub(crate) key: LayerKey,
    pub(crate) size: u64,
    /// When somebody last showed an interest: uploaded, mounted or asked for it, or took away
    /// the image that needed it. A layer that no image needs is forgotten some time later.
    pub(crate) touched_at: Timestamp,
    /// What it was pushed as, where that is not its own digest.
    #[serde(default)]
    pub(crate) sha512: Option<Digest512>,
}

impl LayerRow {
    /// Finds layers by their other digest.
    pub(crate) const BY_SHA512: &'static str = "sha512";
}

impl Row for LayerRow {
    type Key = LayerKey;
    const TABLE: &'static str = "ecr.layer";

    fn key(&self) -> LayerKey {
        self.key.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let entry = |it| IndexEntry::new(Self::BY_SHA512, self.key.repository.entry(it));
        self.sha512.iter().map(entry).collect()
    }
}
