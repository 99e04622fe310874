//! One file for each noun.

mod get;
mod history;
mod listing;
mod put;
mod reference;
mod tag;

use haar_ledger::Tx;

use crate::state::{Key, ParameterRow, VersionRow, versions};

/// Removes a parameter with all its versions.
pub(crate) fn remove(tx: &mut Tx, key: &Key) {
    let keys: Vec<_> = versions(tx, key).map(|version| version.key.clone()).collect();
    for key in keys {
        tx.remove::<VersionRow>(&key);
    }
    tx.remove::<ParameterRow>(key);
}
