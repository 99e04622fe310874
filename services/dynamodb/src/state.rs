//! The room's tables.

mod backup;
mod caller;
mod capture;
mod stream;
mod table;
mod transfer;

use haar_ledger::Tables;
use haar_types::{AccountId, Region};

pub(crate) use backup::{BackupKey, BackupRow};
pub(crate) use caller::Caller;
pub(crate) use capture::Capture;
pub(crate) use stream::{StreamKey, StreamRow};
pub(crate) use table::{
    Billing, Index, Policy, Recovery, Restored, Sse, SseChanges, SseUpdate, Stream, TableKey,
    TableRow, Throughput, Ttl,
};
pub(crate) use transfer::{ExportRow, Failure, ImportCounts, ImportRow, TransferKey};

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    let tables = Tables::new().with::<TableRow>().with::<StreamRow>().with::<BackupRow>();
    tables.with::<ExportRow>().with::<ImportRow>()
}

/// The key that `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/KIND/ID` names.
pub(crate) fn key_of_arn(arn: &str, kind: &str) -> Option<(AccountId, Region, String, String)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    let mut path = parts.next()?.split('/');
    let (table, name, word, id) = (path.next()?, path.next()?, path.next()?, path.next()?);
    let fits = table == "table" && word == kind && path.next().is_none();
    let key = (account.parse().ok()?, region.parse().ok()?, name.to_owned(), id.to_owned());
    fits.then_some(key)
}
