//! The room's tables.

mod backup;
mod caller;
mod stream;
mod table;
mod transfer;

use haar_ledger::Tables;

pub(crate) use backup::{BackupKey, BackupRow};
pub(crate) use caller::Caller;
pub(crate) use stream::{StreamKey, StreamRow};
pub(crate) use table::{
    Billing, Index, Policy, Recovery, Restored, Sse, Stream, TableKey, TableRow, Throughput, Ttl,
};
pub(crate) use transfer::{
    ExportRow, Failure, ImportCounts, ImportRow, TransferKey, key_of as transfer_key,
};

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    let tables = Tables::new().with::<TableRow>().with::<StreamRow>().with::<BackupRow>();
    tables.with::<ExportRow>().with::<ImportRow>()
}
