//! Provisioned concurrency.

use haar_ledger::{Row, Snapshot};
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::{FunctionRow, QualifiedKey, Version};

/// The provisioned concurrency of a version or an alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedRow {
    /// Key. The qualifier is never empty.
    pub key: QualifiedKey,
    /// Writer: operations. The version that is provisioned: the key's own, or the alias's.
    pub version: Version,
    /// Writer: operations.
    pub requested: u32,
    /// Writer: `controllers::provisioned`. Environments that wait.
    pub available: u32,
    /// Writer: `controllers::provisioned`. Environments that are there.
    pub allocated: u32,
    /// Writer: operations (`InProgress`) and `controllers::provisioned`.
    pub status: ProvisionedStatus,
    /// When it was last asked for.
    pub last_modified_at: Timestamp,
    /// Writer: `controllers::charges`, and operations, which begin anew when the amount changes.
    /// Until when the bill has it; `None`: it begins with [`Self::last_modified_at`].
    #[serde(default)]
    pub charged_until: Option<Timestamp>,
}

/// `Status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisionedStatus {
    /// Environments are being made.
    InProgress,
    /// All are there.
    Ready,
    /// They could not be made.
    Failed(String),
}

impl ProvisionedRow {
    /// What is provisioned for an account's functions that reserve nothing: the account's pool is
    /// the smaller by it. AWS docs: *Configuring provisioned concurrency*.
    pub fn unreserved_by_all(snapshot: &Snapshot, account: &AccountId, region: &Region) -> u32 {
        let is_unreserved = |row: &Self| {
            let function = snapshot.get::<FunctionRow>(&row.key.function);
            function.is_some_and(|function| function.reserved_concurrency.is_none())
        };
        let rows = snapshot.all::<Self>().filter(|row| {
            let function = &row.key.function;
            function.account == *account && function.region == *region && is_unreserved(row)
        });
        rows.map(|row| row.requested).sum()
    }
}

impl Row for ProvisionedRow {
    type Key = QualifiedKey;
    const TABLE: &'static str = "lambda.provisioned_concurrency";

    fn key(&self) -> QualifiedKey {
        self.key.clone()
    }
}
