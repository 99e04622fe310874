//! What an account, and this installation, has once.

use haar_ledger::{IndexEntry, Row};
use haar_types::AccountId;
use serde::{Deserialize, Serialize};

/// An account's settings; absent until one is set. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    /// Key.
    pub(crate) account: AccountId,
    /// Its alias, unique in this haar.
    pub(crate) alias: Option<String>,
    pub(crate) password_policy: Option<PasswordPolicy>,
}

impl AccountRow {
    /// Nothing set.
    pub(crate) fn new(account: AccountId) -> Self {
        Self { account, alias: None, password_policy: None }
    }
}

/// What console passwords must be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordPolicy {
    pub(crate) length_min: i32,
    pub(crate) symbols: bool,
    pub(crate) numbers: bool,
    pub(crate) uppercase: bool,
    pub(crate) lowercase: bool,
    pub(crate) users_may_change: bool,
    pub(crate) age_days_max: Option<i32>,
    pub(crate) reuse_prevention: Option<i32>,
    pub(crate) hard_expiry: Option<bool>,
}

impl Row for AccountRow {
    type Key = AccountId;
    const TABLE: &'static str = "iam.account";

    fn key(&self) -> AccountId {
        self.account.clone()
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        self.alias.iter().map(|alias| IndexEntry::new("alias", alias)).collect()
    }
}

/// This installation's own secret. Writer: the first start.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct InstallRow {
    /// Seals session tokens.
    pub(crate) session_key: [u8; 32],
}

impl std::fmt::Debug for InstallRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallRow")
    }
}

impl Row for InstallRow {
    /// There is one row.
    type Key = ();
    const TABLE: &'static str = "iam.install";

    fn key(&self) {}
}
