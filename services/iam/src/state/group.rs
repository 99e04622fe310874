//! Groups.

use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Bearer, Grants, Named, Owned, owned};

/// A group; its members are in [`UserRow::groups`](super::UserRow::groups). Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AGPA…`; never used again.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) grants: Grants,
}

impl Row for GroupRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.group";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        self.grants.index(&self.account).collect()
    }
}

impl Named for GroupRow {
    const KIND: &'static str = "group";

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

impl Bearer for GroupRow {
    const INLINE_BYTES_MAX: usize = 5120;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerGroup";

    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}
