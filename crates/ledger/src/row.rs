//! What a table is made of.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One row of a table. Written as MessagePack with named members: a member that is added
/// later needs `#[serde(default)]`.
pub trait Row: Clone + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// Names the row, and orders the table.
    type Key: Ord + Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static;

    /// The table's name on disk: `room.noun`.
    const TABLE: &'static str;

    /// The row's key; never changes while the row exists.
    fn key(&self) -> Self::Key;

    /// Judges a transition. Run by the ledger at every commit, in every build, with the row as
    /// it was before the transaction; an error undoes the whole transaction and is a bug.
    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        let _ = (old, new);
        Ok(())
    }

    /// Under what else the row is found ([`Snapshot::by_index`](crate::Snapshot::by_index)).
    fn indexes(&self) -> Vec<IndexEntry> {
        Vec::new()
    }
}

/// One entry of a secondary index. Many rows may share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexEntry {
    /// The index within the table.
    pub name: &'static str,
    /// What the row is found by.
    pub key: String,
}

impl IndexEntry {
    /// The entry `key` of the index `name`.
    pub fn new(name: &'static str, key: impl Into<String>) -> Self {
        Self { name, key: key.into() }
    }
}
