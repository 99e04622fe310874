//! Reports.

use haar_ledger::Row;
use haar_types::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// An account's last credential report. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CredentialReportRow {
    /// Key.
    pub(crate) account: AccountId,
    pub(crate) generated_at: Timestamp,
    /// CSV.
    pub(crate) content: String,
}

impl Row for CredentialReportRow {
    type Key = AccountId;
    const TABLE: &'static str = "iam.credential_report";

    fn key(&self) -> AccountId {
        self.account.clone()
    }
}
