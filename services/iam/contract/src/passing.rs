//! Who may hand a role to a service.

use haar_kernel::{Call, Doors};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use crate::peek::IamPeek;

/// Refuses a role that the caller may not pass to `service` (`iam:PassRole`), as services that
/// speak JSON do. In permissive mode, and where nobody keeps roles, any will do.
///
/// # Errors
/// AWS's `AccessDeniedException`.
pub fn check_pass_role(
    doors: &Doors,
    call: &Call,
    snapshot: &Snapshot,
    role_arn: &str,
    service: &str,
) -> Result<(), AwsError> {
    let Some(iam) = doors.peeks.get::<dyn IamPeek>() else { return Ok(()) };
    let passed = iam.may_pass_role(snapshot, &call.principal, role_arn, service);
    passed.map_err(AwsError::access_denied)
}
