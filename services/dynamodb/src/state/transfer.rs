//! Exports to buckets and imports from them.

use haar_dynamodb_contract::{
    ExportStatus, ExportTableToPointInTimeInput, ImportStatus, ImportTableInput,
};
use haar_ledger::Row;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::Caller;

/// Whose an export or an import is, where, of which table, and its own id.
pub(crate) type TransferKey = (AccountId, Region, String, String);

/// Why a transfer failed: AWS's code and a text.
pub(crate) type Failure = (String, String);

/// An export. Writers: operations; `controllers::exports` for its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExportRow {
    pub(crate) key: TransferKey,
    /// Stands for it among its table's copies.
    pub(crate) id: u64,
    /// The table's id in kv, and the one that is shown.
    pub(crate) table: (u64, String),
    pub(crate) input: ExportTableToPointInTimeInput,
    /// The moment that is exported.
    pub(crate) at: Timestamp,
    pub(crate) status: ExportStatus,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) item_count: i64,
    pub(crate) size_bytes: i64,
    pub(crate) failure: Option<Failure>,
}

/// An import. Writers: operations; `controllers::imports` for its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ImportRow {
    pub(crate) key: TransferKey,
    /// The `TableId` that is shown.
    pub(crate) table_uuid: String,
    /// Who asked for it, and reads its files; the account itself where that was not kept yet.
    #[serde(default)]
    pub(crate) caller: Option<Caller>,
    pub(crate) input: ImportTableInput,
    pub(crate) status: ImportStatus,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) counts: ImportCounts,
    pub(crate) failure: Option<Failure>,
}

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportCounts {
    pub(crate) processed: i64,
    pub(crate) imported: i64,
    pub(crate) errors: i64,
    pub(crate) bytes: i64,
}

impl ExportRow {
    /// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/export/ID`.
    pub(crate) fn arn(&self) -> String {
        arn(&self.key, "export")
    }

    /// What the keys of its objects begin with.
    pub(crate) fn base(&self) -> String {
        let prefix = self.input.s3_prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let prefix = prefix.map(|prefix| format!("{}/", prefix.trim_end_matches('/')));
        format!("{}AWSDynamoDB/{}", prefix.unwrap_or_default(), self.key.3)
    }
}

impl ImportRow {
    /// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/import/ID`.
    pub(crate) fn arn(&self) -> String {
        arn(&self.key, "import")
    }
}

fn arn((account, region, name, id): &TransferKey, kind: &str) -> String {
    format!("arn:aws:dynamodb:{region}:{account}:table/{name}/{kind}/{id}")
}

impl Row for ExportRow {
    type Key = TransferKey;
    const TABLE: &'static str = "dynamodb.export";

    fn key(&self) -> TransferKey {
        self.key.clone()
    }
}

impl Row for ImportRow {
    type Key = TransferKey;
    const TABLE: &'static str = "dynamodb.import";

    fn key(&self) -> TransferKey {
        self.key.clone()
    }
}
