//! Roles.

use haar_ledger::{IndexEntry, Row};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Bearer, Grants, Named, Owned, owned};

/// A role. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RoleRow {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AROA…`; never used again.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) description: Option<String>,
    /// The trust policy; users and roles in it by their unique ids ([`crate::principals`]).
    pub(crate) trust: String,
    pub(crate) session_seconds_max: u32,
    pub(crate) tags: Tags,
    /// ARN of the permissions boundary.
    pub(crate) boundary: Option<String>,
    pub(crate) grants: Grants,
    /// The service that it is linked to; such a role is the service's to change.
    pub(crate) linked_service: Option<String>,
}

impl Row for RoleRow {
    type Key = Owned;
    const TABLE: &'static str = "iam.role";

    fn key(&self) -> Owned {
        owned(&self.account, &self.name)
    }

    fn check(_old: Option<&Self>, new: &Self) -> Result<(), String> {
        let sound = (3600..=43_200).contains(&new.session_seconds_max);
        if sound { Ok(()) } else { Err(format!("sessions of {} s", new.session_seconds_max)) }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        let boundary = self.boundary.iter();
        let boundary =
            boundary.map(|arn| IndexEntry::new("boundary", format!("{}|{arn}", self.account)));
        let id = std::iter::once(IndexEntry::new("id", &self.id));
        self.grants.index(&self.account).chain(boundary).chain(id).collect()
    }
}

impl Named for RoleRow {
    const KIND: &'static str = "role";

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

impl Bearer for RoleRow {
    const INLINE_BYTES_MAX: usize = 10_240;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerRole";

    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}
