//! Backups of tables.

use haar_dynamodb_contract::BackupStatus;
use haar_ledger::Row;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::key_of_arn;
use super::table::TableRow;

/// Whose a backup is, where, of which table, and its id.
pub(crate) type BackupKey = (AccountId, Region, String, String);

/// A backup. Writers: operations, and `controllers::tables` once its items are copied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BackupRow {
    pub(crate) key: BackupKey,
    /// Stands before its items in kv.
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) status: BackupStatus,
    pub(crate) created_at: Timestamp,
    /// The table as it was.
    pub(crate) table: TableRow,
    pub(crate) item_count: i64,
    pub(crate) size_bytes: i64,
}

impl BackupRow {
    /// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/backup/ID`.
    pub(crate) fn arn(&self) -> String {
        format!("{}/backup/{}", self.table.arn(), self.key.3)
    }

    /// The key that an ARN names.
    pub(crate) fn key_of(arn: &str) -> Option<BackupKey> {
        key_of_arn(arn, "backup")
    }
}

impl Row for BackupRow {
    type Key = BackupKey;
    const TABLE: &'static str = "dynamodb.backup";

    fn key(&self) -> BackupKey {
        self.key.clone()
    }
}
