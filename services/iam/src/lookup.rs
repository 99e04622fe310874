//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::{Call, Page, page, read_token};
use haar_ledger::Snapshot;
use haar_policy::Principal;
use haar_types::AccountId;
use haar_wire::AwsError;

use crate::managed;
use crate::refusal::{invalid, no_such, unmodifiable, validation};
use crate::rules::PAGE_DEFAULT;
use crate::state::{
    GroupRow, InstanceProfileRow, MfaRow, Named, PolicyRow, RoleRow, UserRow, owned,
};

pub(crate) fn find_user(
    snapshot: &Snapshot,
    account: &AccountId,
    name: &str,
) -> Result<Arc<UserRow>, AwsError> {
    let missing = || no_such(format!("The user with name {name} cannot be found."));
    snapshot.get::<UserRow>(&owned(account, name)).ok_or_else(missing)
}

pub(crate) fn find_group(
    snapshot: &Snapshot,
    account: &AccountId,
    name: &str,
) -> Result<Arc<GroupRow>, AwsError> {
    let missing = || no_such(format!("The group with name {name} cannot be found."));
    snapshot.get::<GroupRow>(&owned(account, name)).ok_or_else(missing)
}

pub(crate) fn find_role(
    snapshot: &Snapshot,
    account: &AccountId,
    name: &str,
) -> Result<Arc<RoleRow>, AwsError> {
    let missing = || no_such(format!("The role with name {name} cannot be found."));
    snapshot.get::<RoleRow>(&owned(account, name)).ok_or_else(missing)
}

/// A role that customers may change; a linked role is its service's.
pub(crate) fn find_own_role(
    snapshot: &Snapshot,
    account: &AccountId,
    name: &str,
) -> Result<Arc<RoleRow>, AwsError> {
    let role = find_role(snapshot, account, name)?;
    if role.linked_service.is_some() { Err(unmodifiable(&role.name)) } else { Ok(role) }
}

pub(crate) fn find_instance_profile(
    snapshot: &Snapshot,
    account: &AccountId,
    name: &str,
) -> Result<Arc<InstanceProfileRow>, AwsError> {
    let missing = || no_such(format!("Instance Profile {name} cannot be found."));
    snapshot.get::<InstanceProfileRow>(&owned(account, name)).ok_or_else(missing)
}

/// A customer's managed policy. AWS's own are not to be changed.
pub(crate) fn find_own_policy(
    snapshot: &Snapshot,
    account: &AccountId,
    arn: &str,
) -> Result<Arc<PolicyRow>, AwsError> {
    if managed::find(arn).is_some() {
        let text = format!("Policy {arn} is managed by AWS and cannot be changed.");
        return Err(AwsError::access_denied(text));
    }
    if !arn.starts_with("arn:aws:iam::") {
        return Err(invalid(format!("ARN {arn} is not valid.")));
    }
    let own = policy_row(snapshot, arn).filter(|policy| policy.account() == account);
    own.ok_or_else(|| no_such(format!("Policy {arn} was not found.")))
}

/// A customer's managed policy, by its ARN.
pub(crate) fn policy_row(snapshot: &Snapshot, arn: &str) -> Option<Arc<PolicyRow>> {
    snapshot.by_index::<PolicyRow>("arn", arn).next()
}

/// The text of a managed policy's default version, AWS's or a customer's.
pub(crate) fn policy_text(snapshot: &Snapshot, arn: &str) -> Option<String> {
    if let Some(policy) = managed::find(arn) {
        return Some(policy.document.clone());
    }
    Some(policy_row(snapshot, arn)?.default_document().to_owned())
}

/// The role of an ARN.
pub(crate) fn role_of_arn(snapshot: &Snapshot, arn: &str) -> Option<Arc<RoleRow>> {
    let parsed: haar_types::Arn = arn.parse().ok()?;
    let account: AccountId = parsed.account().parse().ok()?;
    let path_and_name = parsed.resource().strip_prefix("role/")?;
    let name = path_and_name.rsplit('/').next()?;
    snapshot.get::<RoleRow>(&owned(&account, name)).filter(|role| role.arn() == arn)
}

/// The user that a request is about: the one it names, else the caller.
pub(crate) fn user_or_caller(
    call: &Call,
    snapshot: &Snapshot,
    name: Option<&str>,
) -> Result<Arc<UserRow>, AwsError> {
    match (name, &call.principal.identity) {
        (Some(name), _) => find_user(snapshot, &call.account, name),
        (None, Principal::User { name, .. }) => find_user(snapshot, &call.account, name),
        (None, _) => {
            Err(validation("Must specify userName when calling with non-User credentials"))
        }
    }
}

/// The user of a unique id.
pub(crate) fn user_of_id(snapshot: &Snapshot, id: &str) -> Option<Arc<UserRow>> {
    snapshot.by_index::<UserRow>("id", id).next()
}

/// The role of a unique id.
pub(crate) fn role_of_id(snapshot: &Snapshot, id: &str) -> Option<Arc<RoleRow>> {
    snapshot.by_index::<RoleRow>("id", id).next()
}

/// The MFA device of a serial number.
pub(crate) fn find_mfa(
    snapshot: &Snapshot,
    account: &AccountId,
    serial: &str,
) -> Result<Arc<MfaRow>, AwsError> {
    let missing =
        || no_such(format!("VirtualMFADevice with serial number {serial} doesn't exist."));
    let name = serial.rsplit('/').next().unwrap_or_default();
    let row = snapshot.get::<MfaRow>(&owned(account, name));
    row.filter(|row| row.id == serial).ok_or_else(missing)
}

/// One page of items in the order of their keys.
pub(crate) fn paged<T>(
    items: impl IntoIterator<Item = T>,
    scope: &str,
    (marker, items_max): (Option<String>, Option<i32>),
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let after = match marker {
        Some(marker) => {
            Some(read_token(scope, &marker).map_err(|_| validation("Invalid Marker."))?)
        }
        None => None,
    };
    let limit = items_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_DEFAULT);
    let is_behind = |item: &T| after.as_ref().is_none_or(|after| key(item) > *after);
    Ok(page(items.into_iter().filter(is_behind), limit.max(1), scope, &key))
}

/// True for rows whose path begins so.
pub(crate) fn has_path<R: Named>(row: &R, prefix: Option<&str>) -> bool {
    row.path().starts_with(prefix.unwrap_or("/"))
}
