//! Instance profiles.

use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Named, Owned, owned};

/// An instance profile. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceProfileRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AIPA…`; never used again.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
    /// Its role's name, in lower case.
    pub(crate) role: Option<String>,
}

impl Row for InstanceProfileRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.instance_profile";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let role = |name: &String| IndexEntry::new("role", format!("{}|{name}", self.account));
        self.role.iter().map(role).collect()
    }
}

impl Named for InstanceProfileRow {
    const KIND: &'static str = "instance-profile";

    fn account(&self) -> &AccountId {
        &self.account
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn path(&self) -> &str {
        &self.path
    }
}
