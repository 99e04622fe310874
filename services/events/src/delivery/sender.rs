//! On whose behalf a delivery is made.

use haar_iam_contract::peek::AssumeError;
use haar_iam_contract::sender::{role_sender, service_sender};
use haar_kernel::Doors;
use haar_kernel::targets::Sender;
use haar_types::AccountId;

use super::failure::Failure;

/// The service as policies know it.
pub(crate) const SERVICE_PRINCIPAL: &str = "events.amazonaws.com";

/// The service itself, for a rule.
pub(super) fn service(account: &AccountId, source_arn: &str) -> Sender {
    service_sender(account, SERVICE_PRINCIPAL, source_arn)
}

/// A session of a role, for a rule.
pub(super) fn role(doors: &Doors, role_arn: &str, source_arn: &str) -> Result<Sender, Failure> {
    role_sender(doors, role_arn, SERVICE_PRINCIPAL, source_arn).map_err(|error| {
        let why = match error {
            AssumeError::NoSuchRole => format!("there is no role {role_arn}"),
            AssumeError::NotTrusted => format!("{SERVICE_PRINCIPAL} may not assume {role_arn}"),
        };
        Failure::lasting("FAILED_TO_ASSUME_ROLE", why)
    })
}
