//! Layers that are being uploaded.

use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::RepositoryKey;

/// Names an upload: a UUID, unique over all repositories.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct UploadKey(pub(crate) String);

/// One upload. How far it is, the blobs know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadRow {
    pub(crate) key: UploadKey,
    pub(crate) repository: RepositoryKey,
    pub(crate) started_at: Timestamp,
    /// Parts of `UploadLayerPart` so far.
    pub(crate) part_count: u32,
    /// The last of them was smaller than all but the last may be.
    pub(crate) has_short_part: bool,
    /// A part came behind a short one: the upload cannot be completed.
    pub(crate) is_spoilt: bool,
}

impl Row for UploadRow {
    type Key = UploadKey;
    const TABLE: &'static str = "ecr.upload";

    fn key(&self) -> UploadKey {
        self.key.clone()
    }
}
