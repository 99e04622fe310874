//! What Scheduler refuses, in its words.

use haar_scheduler_contract::{
    ConflictException, ResourceNotFoundException, ServiceQuotaExceededException,
    ValidationException,
};
use haar_wire::AwsError;

/// A value that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    ValidationException::message(text).into()
}

/// The group has no such schedule.
pub(crate) fn no_schedule(name: &str) -> AwsError {
    ResourceNotFoundException::message(format!("Schedule {name} does not exist.")).into()
}

/// The account has no such group.
pub(crate) fn no_group(name: &str) -> AwsError {
    ResourceNotFoundException::message(format!("Schedule group {name} does not exist.")).into()
}

/// The name is taken.
pub(crate) fn exists(what: &str, name: &str) -> AwsError {
    ConflictException::message(format!("{what} {name} already exists.")).into()
}

/// A token came before with another request. The words are *ours*.
pub(crate) fn token_reused(operation: &str, token: &str) -> AwsError {
    let text = format!(
        "The client token '{token}' was used in an earlier {operation} request with other \
         parameters."
    );
    ConflictException::message(text).into()
}

/// One more than a quota allows.
pub(crate) fn too_many(what: &str) -> AwsError {
    let text = format!("You have reached the maximum number of {what} for your account.");
    ServiceQuotaExceededException::message(text).into()
}

/// A page's token is none of the listing's.
pub(crate) fn bad_token(_: haar_kernel::BadToken) -> AwsError {
    invalid("Invalid NextToken provided.")
}
