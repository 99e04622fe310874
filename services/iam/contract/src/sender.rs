//! On whose behalf services send to resources (`haar_kernel::targets`).

use std::sync::Arc;

use haar_kernel::targets::Sender;
use haar_kernel::{Auth, Doors, Principal};
use haar_types::AccountId;

use crate::peek::{AssumeError, IamPeek};

/// A service itself, for one of its resources: what resource policies are asked about.
pub fn service_sender(account: &AccountId, service: &str, source_arn: &str) -> Sender {
    let mut principal = Principal::service(account.clone(), service);
    principal.session_keys = vec![
        ("aws:SourceArn".to_owned(), source_arn.to_owned()),
        ("aws:SourceAccount".to_owned(), account.to_string()),
    ];
    Sender { principal: Arc::new(principal), source_arn: source_arn.to_owned() }
}

/// A session of a role that a service assumes, for one of its resources. In permissive mode a
/// role's ARN alone suffices.
///
/// # Errors
/// When the role is gone or does not trust the service.
pub fn role_sender(
    doors: &Doors,
    role_arn: &str,
    service: &str,
    source_arn: &str,
) -> Result<Sender, AssumeError> {
    let snapshot = doors.ledger.snapshot();
    let iam = doors.peeks.get::<dyn IamPeek>().ok_or(AssumeError::NoSuchRole)?;
    if doors.settings.auth == Auth::Enforce {
        iam.service_may_assume(&snapshot, role_arn, service, source_arn)?;
    }
    let session = service.split('.').next().unwrap_or(service);
    let identity = iam.role_session(&snapshot, role_arn, session);
    let identity = identity.ok_or(AssumeError::NoSuchRole)?;
    let account = role_arn.split(':').nth(4).and_then(|account| account.parse().ok());
    let account = account.unwrap_or_else(|| doors.settings.account.clone());
    let principal = Arc::new(Principal::of(account, identity));
    Ok(Sender { principal, source_arn: source_arn.to_owned() })
}
