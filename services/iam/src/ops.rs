//! Operations, one file for each noun.

mod access_key;
pub(crate) mod account;
mod attached_policy;
mod authorization_details;
mod boundary;
mod credential_report;
mod entities;
mod granting;
mod group;
mod inline_policy;
mod instance_profile;
mod last_accessed;
mod linked_role;
mod login_profile;
mod mfa;
pub(crate) mod oidc_provider;
mod password;
mod policy;
mod policy_version;
mod role;
pub(crate) mod saml_provider;
pub(crate) mod server_certificate;
mod service_credential;
mod signing_certificate;
mod simulation;
mod ssh_key;
mod tag;
mod trust;
mod user;

use std::sync::Arc;

use haar_iam_contract::StatusType;
use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_policy::Principal;
use haar_wire::AwsError;

use crate::lookup::user_or_caller;
use crate::refusal::invalid;
use crate::state::UserRow;

/// Whose list is asked for: the user's that is named, else the caller's; the root has nothing of
/// the kind.
fn user_of_list(
    call: &Call,
    snapshot: &Snapshot,
    name: Option<&str>,
) -> Result<Option<Arc<UserRow>>, AwsError> {
    match (name, &call.principal.identity) {
        (None, Principal::Root { .. }) => Ok(None),
        _ => user_or_caller(call, snapshot, name).map(Some),
    }
}

/// A credential's status, as it is shown.
fn status(is_active: bool) -> StatusType {
    if is_active { StatusType::Active } else { StatusType::Inactive }
}

/// A status that a caller may set.
fn is_active(status: &StatusType) -> Result<bool, AwsError> {
    match status {
        StatusType::Active => Ok(true),
        StatusType::Inactive => Ok(false),
        StatusType::Expired => Err(invalid("Status can be set to Active or Inactive only.")),
    }
}
