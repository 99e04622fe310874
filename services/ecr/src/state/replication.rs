//! Copies of images that are due, or done.

use haar_ledger::Row;
use serde::{Deserialize, Serialize};

use super::{ImageKey, RegistryKey};

/// Where a copy goes.
pub(crate) type Destination = RegistryKey;

/// Names a copy.
pub(crate) type ReplicationKey = (ImageKey, Destination);

/// How far a copy is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReplicationState {
    /// Due.
    InProgress,
    /// Done.
    Complete,
    /// Not possible: AWS's code says why.
    Failed(String),
}

/// One copy. Operations ask for it, `controllers::replication` makes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReplicationRow {
    pub(crate) key: ReplicationKey,
    pub(crate) state: ReplicationState,
    /// Tags that the copy is to have besides; each push adds one.
    pub(crate) tags: Vec<String>,
}

impl Row for ReplicationRow {
    type Key = ReplicationKey;
    const TABLE: &'static str = "ecr.replication";

    fn key(&self) -> ReplicationKey {
        self.key.clone()
    }
}
