//! What an account's archives take of its quota. Versions and layer versions whose code changes
//! are written and removed here, with the sum.

use std::collections::BTreeMap;

use haar_kernel::{Call, Quota};
use haar_ledger::{Row as _, Snapshot, Tx};
use haar_types::{AccountId, Region};

use crate::state::{
    Code, CodeStorageRow, FunctionKey, FunctionRow, LayerKey, LayerVersionKey, LayerVersionRow,
    VersionKey, VersionRow,
};
use crate::{Lambda, Refusal};

/// Gigabytes of all archives of an account in a region.
pub(crate) const CODE_STORAGE: Quota = Quota {
    service: "lambda",
    code: "L-2ACBD22F",
    name: "Function and layer storage",
    default: 75,
};

impl Lambda {
    /// Refuses bytes for which the caller's storage has no room left. Code that they take the
    /// place of still counts, as its functions may still run.
    ///
    /// # Errors
    /// With AWS's words.
    pub(super) fn check_code_storage(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        added: u64,
    ) -> Result<(), Refusal> {
        let present = code_bytes(snapshot, &call.account, &call.region);
        match present.saturating_add(added) > self.code_bytes_max(call) {
            true => Err(Refusal::CodeStorageExceeded),
            false => Ok(()),
        }
    }

    pub(super) fn code_bytes_max(&self, call: &Call) -> u64 {
        let quotas = &self.doors.settings.quotas;
        quotas.limit(&CODE_STORAGE, &call.account, &call.region).saturating_mul(1 << 30)
    }
}

/// Bytes of all archives of an account, layers included. `$LATEST` and a version that was
/// published from it count once.
pub(super) fn code_bytes(snapshot: &Snapshot, account: &AccountId, region: &Region) -> u64 {
    let sum = snapshot.get::<CodeStorageRow>(&(account.clone(), region.clone()));
    sum.map_or_else(|| counted(snapshot, account, region), |sum| sum.bytes)
}

fn counted(snapshot: &Snapshot, account: &AccountId, region: &Region) -> u64 {
    let functions = snapshot.range::<FunctionRow>(FunctionKey::all(account, region));
    let of_functions = functions.map(|function| {
        let versions = snapshot.range::<VersionRow>(VersionKey::all(&function.key));
        let archives: BTreeMap<_, _> =
            versions.map(|row| (row.code.sha256.clone(), row.code.size)).collect();
        archives.values().sum::<u64>()
    });
    let first = LayerKey::all(account, region);
    let first_version = LayerVersionKey { layer: first.start().clone(), version: 0 };
    let last_version = LayerVersionKey { layer: first.end().clone(), version: u64::MAX };
    let of_layers =
        snapshot.range::<LayerVersionRow>(first_version..=last_version).map(|row| row.code.size);
    of_functions.sum::<u64>() + of_layers.sum::<u64>()
}

/// Whether one of a function's versions has this code: it takes no more space then.
pub(super) fn holds(snapshot: &Snapshot, function: &FunctionKey, sha256: &str) -> bool {
    let entry = VersionRow::code_entry(function, sha256);
    snapshot.by_index::<VersionRow>(entry.name, &entry.key).next().is_some()
}

/// Writes a version over the one of its name, if any.
pub(super) fn put_version(tx: &mut Tx, row: VersionRow) {
    let key = row.version_key();
    let before = tx.get::<VersionRow>(&key).map(|row| row.code.clone());
    let codes = before.into_iter().chain([row.code.clone()]);
    change(tx, &key.function, codes, |tx| tx.put(row));
}

/// Removes a version; none is fine.
pub(super) fn remove_version(tx: &mut Tx, key: &VersionKey) {
    let code = tx.get::<VersionRow>(key).map(|row| row.code.clone());
    change(tx, &key.function, code, |tx| drop(tx.remove::<VersionRow>(key)));
}

/// Changes which of a function's versions have these codes.
fn change(
    tx: &mut Tx,
    function: &FunctionKey,
    codes: impl IntoIterator<Item = Code>,
    write: impl FnOnce(&mut Tx),
) {
    let sizes = codes.into_iter().map(|code| (code.sha256, code.size));
    let sizes: BTreeMap<String, u64> = sizes.collect();
    let taken = |tx: &Tx| -> u64 {
        let held = sizes.iter().filter(|(sha256, _)| holds(tx, function, sha256));
        held.map(|(_, size)| size).sum()
    };
    let (present, before) = (code_bytes(tx, &function.account, &function.region), taken(tx));
    write(tx);
    let bytes = (present + taken(tx)).saturating_sub(before);
    note(tx, &function.account, &function.region, bytes);
}

/// Writes a new layer version.
pub(super) fn put_layer_version(tx: &mut Tx, row: LayerVersionRow) {
    let LayerKey { account, region, .. } = row.key.layer.clone();
    let bytes = code_bytes(tx, &account, &region) + row.code.size;
    tx.put(row);
    note(tx, &account, &region, bytes);
}

/// Removes a layer version; none is fine.
pub(super) fn remove_layer_version(tx: &mut Tx, key: &LayerVersionKey) {
    let (account, region) = (&key.layer.account, &key.layer.region);
    let present = code_bytes(tx, account, region);
    if let Some(row) = tx.remove::<LayerVersionRow>(key) {
        note(tx, account, region, present.saturating_sub(row.code.size));
    }
}

fn note(tx: &mut Tx, account: &AccountId, region: &Region, bytes: u64) {
    let row = CodeStorageRow { account: account.clone(), region: region.clone(), bytes };
    if tx.get::<CodeStorageRow>(&row.key()).as_deref() != Some(&row) {
        tx.put(row);
    }
}
