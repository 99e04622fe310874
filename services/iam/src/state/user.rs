//! Users.

use std::collections::BTreeSet;

use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Bearer, Grants, Named, Owned, owned};

/// A user. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AIDA…`; never used again.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
    /// ARN of the permissions boundary.
    pub(crate) boundary: Option<String>,
    pub(crate) grants: Grants,
    /// Its groups' names, in lower case.
    pub(crate) groups: BTreeSet<String>,
    /// When its console password was set, and whether it must be changed.
    #[serde(default)]
    pub(crate) login: Option<(Timestamp, bool)>,
}

impl Row for UserRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.user";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }

    fn check(_old: Option<&Self>, new: &Self) -> Result<(), String> {
        let sound = new.path.starts_with('/') && new.path.ends_with('/');
        if sound { Ok(()) } else { Err(format!("path {}", new.path)) }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let group = |name: &String| IndexEntry::new("group", format!("{}|{name}", self.account));
        let boundary = self.boundary.iter();
        let boundary =
            boundary.map(|arn| IndexEntry::new("boundary", format!("{}|{arn}", self.account)));
        let groups = self.groups.iter().map(group);
        let id = std::iter::once(IndexEntry::new("id", &self.id));
        self.grants.index(&self.account).chain(groups).chain(boundary).chain(id).collect()
    }
}

impl Named for UserRow {
    const KIND: &'static str = "user";

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

impl Bearer for UserRow {
    const INLINE_BYTES_MAX: usize = 2048;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerUser";

    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}
