//! Customers' managed policies. AWS's own are in [`crate::managed`].

use std::collections::BTreeMap;

use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Named, Owned, owned};

/// A managed policy with its versions. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `ANPA…`; never used again.
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) tags: Tags,
    /// By number: 1 is `v1`.
    pub(crate) versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version that counts.
    pub(crate) default_version: u32,
    /// The number of the newest version ever; numbers are not used again.
    pub(crate) newest_version: u32,
}

/// One version of a managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PolicyVersion {
    pub(crate) document: String,
    pub(crate) created_at: Timestamp,
}

impl PolicyRow {
    /// The document that counts.
    pub(crate) fn default_document(&self) -> &str {
        self.versions.get(&self.default_version).map_or("", |version| &version.document)
    }
}

impl Row for PolicyRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.policy";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }

    fn check(_old: Option<&Self>, new: &Self) -> Result<(), String> {
        let sound = new.versions.contains_key(&new.default_version) && new.versions.len() <= 5;
        if sound { Ok(()) } else { Err(format!("no default version {}", new.default_version)) }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new("arn", self.arn())]
    }
}

impl Named for PolicyRow {
    const KIND: &'static str = "policy";

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
