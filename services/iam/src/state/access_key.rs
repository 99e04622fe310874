//! Long-term access keys.

use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyOwner {
    /// The account's root user.
    Root,
    /// The user of that name, in lower case.
    User(String),
}

/// An access key. Writer: operations, and the first start for the root's.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccessKeyRow {
    /// Key: `AKIA…`.
    pub(crate) id: String,
    pub(crate) account: AccountId,
    pub(crate) owner: KeyOwner,
    /// Kept in the clear, since signatures are verified with it; shown once.
    pub(crate) secret: String,
    pub(crate) is_active: bool,
    pub(crate) created_at: Timestamp,
}

impl std::fmt::Debug for AccessKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKeyRow({} of {:?} in {})", self.id, self.owner, self.account)
    }
}

impl Row for AccessKeyRow {
    type Key = String;
    const TABLE: &'static str = "iam.access_key";

    fn key(&self) -> String {
        self.id.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let owner = match &self.owner {
            KeyOwner::Root => format!("{}|", self.account),
            KeyOwner::User(name) => format!("{}|{name}", self.account),
        };
        vec![IndexEntry::new("owner", owner)]
    }
}

/// When a key was last used. Writer: the gate, at most once a minute for each key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccessKeyUseRow {
    /// Key: the access key.
    pub(crate) id: String,
    pub(crate) used_at: Timestamp,
    pub(crate) service: String,
    pub(crate) region: String,
}

impl Row for AccessKeyUseRow {
    type Key = String;
    const TABLE: &'static str = "iam.access_key_use";

    fn key(&self) -> String {
        self.id.clone()
    }
}
