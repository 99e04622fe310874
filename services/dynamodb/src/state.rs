//! The room's tables.

mod backup;
mod stream;
mod table;

use haar_ledger::Tables;

pub(crate) use backup::{BackupKey, BackupRow};
pub(crate) use stream::{StreamKey, StreamRow};
pub(crate) use table::{
    Billing, Index, Policy, Recovery, Restored, Sse, Stream, TableKey, TableRow, Throughput, Ttl,
};

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<TableRow>().with::<StreamRow>().with::<BackupRow>()
}
