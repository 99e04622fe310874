//! On whose behalf a delivery is made.

use std::sync::Arc;

use haar_iam_contract::peek::{AssumeError, IamPeek};
use haar_kernel::targets::Sender;
use haar_kernel::{Auth, Doors, Principal};
use haar_types::AccountId;

use super::failure::Failure;

/// The service as policies know it.
pub(crate) const SERVICE_PRINCIPAL: &str = "events.amazonaws.com";

/// The service itself, for a rule: what resource policies are asked about.
pub(crate) fn service(account: &AccountId, source_arn: &str) -> Sender {
    let mut principal = Principal::service(account.clone(), SERVICE_PRINCIPAL);
    principal.session_keys = vec![
        ("aws:SourceArn".to_owned(), source_arn.to_owned()),
        ("aws:SourceAccount".to_owned(), account.to_string()),
    ];
    Sender { principal: Arc::new(principal), source_arn: source_arn.to_owned() }
}

/// A session of a role. In permissive mode a role's ARN alone suffices.
///
/// # Errors
/// When the role is gone or does not trust the service.
pub(crate) fn role(doors: &Doors, role_arn: &str, source_arn: &str) -> Result<Sender, Failure> {
    let refused =
        |why: &str| Failure::lasting("FAILED_TO_ASSUME_ROLE", format!("{why} {role_arn}"));
    let snapshot = doors.ledger.snapshot();
    let iam = doors.peeks.get::<dyn IamPeek>();
    let iam = iam.ok_or_else(|| refused("nobody here knows roles:"))?;
    if doors.settings.auth == Auth::Enforce {
        let assumed = iam.service_may_assume(&snapshot, role_arn, SERVICE_PRINCIPAL);
        assumed.map_err(|error| match error {
            AssumeError::NoSuchRole => refused("there is no role"),
            AssumeError::NotTrusted => refused("events.amazonaws.com may not assume"),
        })?;
    }
    let identity = iam.role_session(&snapshot, role_arn, "events");
    let identity = identity.ok_or_else(|| refused("there is no role"))?;
    let account = role_arn.split(':').nth(4).and_then(|account| account.parse().ok());
    let account = account.unwrap_or_else(|| doors.settings.account.clone());
    let principal = Arc::new(Principal::of(account, identity));
    Ok(Sender { principal, source_arn: source_arn.to_owned() })
}
