//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_types::{AccountId, Arn, Region};
use haar_wire::AwsError;

use crate::refusal::{deleted, no_value, not_found, replica};
use crate::state::{CURRENT, SecretRow, VersionRow};

/// A secret by its name, its ARN, or its ARN without the six letters at its end.
pub(crate) fn get(
    snapshot: &Snapshot,
    account: &AccountId,
    region: &Region,
    text: &str,
) -> Option<Arc<SecretRow>> {
    let Ok(arn) = text.parse::<Arn>() else {
        return snapshot.get::<SecretRow>(&(account.clone(), region.clone(), text.to_owned()));
    };
    if let Some(row) = snapshot.by_index::<SecretRow>("arn", text).next() {
        return Some(row);
    }
    let name = arn.resource().strip_prefix("secret:")?;
    let place = (arn.account().parse().ok()?, arn.region().parse().ok()?);
    snapshot.get::<SecretRow>(&(place.0, place.1, name.to_owned()))
}

/// A secret that the caller may be given, also one that waits to be deleted: their account's by
/// its name, anybody's by its ARN, as the gate has weighed that secret's own policy.
pub(crate) fn find_any(
    snapshot: &Snapshot,
    call: &Call,
    text: &str,
) -> Result<Arc<SecretRow>, AwsError> {
    let found = get(snapshot, &call.account, &call.region, text);
    found.filter(|row| row.key.1 == call.region).ok_or_else(not_found)
}

/// The same, unless it is about to be deleted.
pub(crate) fn find(
    snapshot: &Snapshot,
    call: &Call,
    text: &str,
) -> Result<Arc<SecretRow>, AwsError> {
    let row = find_any(snapshot, call, text)?;
    match row.deleted {
        Some(_) => Err(deleted()),
        None => Ok(row),
    }
}

/// A secret that may be changed here, also one that waits to be deleted: no replica.
pub(crate) fn find_primary(
    snapshot: &Snapshot,
    call: &Call,
    text: &str,
) -> Result<Arc<SecretRow>, AwsError> {
    let row = find_any(snapshot, call, text)?;
    match row.primary {
        Some(_) => Err(replica()),
        None => Ok(row),
    }
}

/// The same, unless it is about to be deleted.
pub(crate) fn find_own(
    snapshot: &Snapshot,
    call: &Call,
    text: &str,
) -> Result<Arc<SecretRow>, AwsError> {
    find_primary(snapshot, call, text)?;
    find(snapshot, call, text)
}

/// One version of a secret: by id, by stage, by both if they agree, or the current one.
pub(crate) fn find_version(
    snapshot: &Snapshot,
    row: &SecretRow,
    id: Option<&str>,
    stage: Option<&str>,
) -> Result<Arc<VersionRow>, AwsError> {
    let by_stage = || {
        let stage = stage.unwrap_or(CURRENT);
        let id = row.stages.get(stage).cloned();
        id.ok_or_else(|| no_value(&format!("staging label: {stage}")))
    };
    let id = match (id, stage) {
        (Some(id), None) => id.to_owned(),
        (None, _) => by_stage()?,
        (Some(id), Some(stage)) => {
            let found = by_stage()?;
            if found != id {
                let what = format!("VersionId: {id} and staging label: {stage}");
                return Err(no_value(&what));
            }
            found
        }
    };
    let version = snapshot.get::<VersionRow>(&(row.arn.clone(), id.clone()));
    version.ok_or_else(|| no_value(&format!("VersionId: {id}")))
}
