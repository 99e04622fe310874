//! One file for each noun.

mod get;
mod history;
mod listing;
mod put;
mod reference;
mod tag;

use haar_kernel::Outbox;
use haar_ledger::Tx;
use haar_types::Timestamp;

use crate::announce::{self, Change};
use crate::state::{Key, ParameterRow, VersionRow, versions};

/// Removes a parameter with all its versions, and tells of it.
pub(crate) fn remove(outbox: &Outbox, tx: &mut Tx, key: &Key, now: Timestamp) {
    announce::changed(outbox, tx, key, Change::Delete, now);
    let keys: Vec<_> = versions(tx, key).map(|version| version.key.clone()).collect();
    for key in keys {
        tx.remove::<VersionRow>(&key);
    }
    tx.remove::<ParameterRow>(key);
}
