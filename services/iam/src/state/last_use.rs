//! When identities last used services.

use std::collections::BTreeMap;

use haar_ledger::Row;
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// When something was asked for last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastUse {
    pub(crate) at: Timestamp,
    pub(crate) region: String,
}

/// Actions, such as `s3:GetObject`, and when each was asked for last.
pub(crate) type LastUses = BTreeMap<String, LastUse>;

/// What a user or a role asked for, allowed or not, where policies decided. Writer: the gate, at
/// most once a minute for all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LastUseRow {
    /// Key: `AIDA…` or `AROA…`.
    pub(crate) id: String,
    pub(crate) actions: LastUses,
}

impl Row for LastUseRow {
    type Key = String;
    const TABLE: &'static str = "iam.last_use";

    fn key(&self) -> String {
        self.id.clone()
    }
}

/// A report of last uses, as things stood when it was asked for. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LastUseReportRow {
    /// Key.
    pub(crate) account: AccountId,
    /// Key: `JobId`.
    pub(crate) id: String,
    pub(crate) made_at: Timestamp,
    /// Whether it tells of actions too.
    pub(crate) is_by_action: bool,
    /// Who may use which services, by the services' namespaces.
    pub(crate) services: BTreeMap<String, Vec<EntityUse>>,
}

/// Who may use a service, and what of it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntityUse {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) is_role: bool,
    pub(crate) actions: LastUses,
}

impl EntityUse {
    /// The newest use of them all.
    pub(crate) fn last(&self) -> Option<&LastUse> {
        self.actions.values().max_by_key(|last| last.at)
    }
}

impl Row for LastUseReportRow {
    type Key = (AccountId, String);
    const TABLE: &'static str = "iam.last_use_report";

    fn key(&self) -> Self::Key {
        (self.account.clone(), self.id.clone())
    }
}
