//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_types::{AccountId, Region};
use haar_wire::AwsError;

use crate::refusal::{no_label, no_version, not_found};
use crate::rules::name::{Reference, Selector};
use crate::state::{Key, ParameterRow, VersionRow, versions};

/// A parameter and one of its versions.
pub(crate) struct Found {
    pub(crate) row: Arc<ParameterRow>,
    pub(crate) version: Arc<VersionRow>,
    pub(crate) selector: Option<Selector>,
}

/// What a request names in the caller's own account and region.
pub(crate) fn find(snapshot: &Snapshot, call: &Call, text: &str) -> Result<Found, AwsError> {
    let at = Reference::read(&call.account, &call.region, text).ok_or_else(not_found)?;
    if at.account != call.account || at.region != call.region {
        return Err(not_found()); // nobody shares parameters here
    }
    find_at(snapshot, &at)
}

/// The parameter that a reference stands for, and its version.
pub(crate) fn find_at(snapshot: &Snapshot, at: &Reference) -> Result<Found, AwsError> {
    let row = row_at(snapshot, &at.account, &at.region, &at.names).ok_or_else(not_found)?;
    let name = &row.key.2;
    let version = match &at.selector {
        None => version(snapshot, &row.key, row.version).ok_or_else(not_found)?,
        Some(Selector::Version(number)) => {
            version(snapshot, &row.key, *number).ok_or_else(|| no_version(name, *number))?
        }
        Some(Selector::Label(label)) => versions(snapshot, &row.key)
            .find(|version| version.labels.contains(label))
            .ok_or_else(|| no_label(name, label))?,
    };
    Ok(Found { row, version, selector: at.selector.clone() })
}

fn row_at(
    snapshot: &Snapshot,
    account: &AccountId,
    region: &Region,
    names: &[String],
) -> Option<Arc<ParameterRow>> {
    let key = |name: &String| (account.clone(), region.clone(), name.clone());
    names.iter().find_map(|name| snapshot.get::<ParameterRow>(&key(name)))
}

/// One version of a parameter.
pub(crate) fn version(snapshot: &Snapshot, key: &Key, number: i64) -> Option<Arc<VersionRow>> {
    snapshot.get::<VersionRow>(&(key.clone(), number))
}

/// A parameter by its plain name, for operations that take no selector.
pub(crate) fn find_row(
    snapshot: &Snapshot,
    call: &Call,
    text: &str,
) -> Result<Arc<ParameterRow>, AwsError> {
    let at = Reference::read(&call.account, &call.region, text).ok_or_else(not_found)?;
    row_at(snapshot, &call.account, &call.region, &at.names)
        .filter(|_| at.account == call.account && at.region == call.region)
        .ok_or_else(not_found)
}
