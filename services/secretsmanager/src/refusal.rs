//! What Secrets Manager refuses, in its words.

use haar_secretsmanager_contract::{
    InvalidParameterException, InvalidRequestException, ResourceExistsException,
    ResourceNotFoundException,
};
use haar_wire::AwsError;

/// A parameter that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    InvalidParameterException::message(text).into()
}

/// Right, and not possible now.
pub(crate) fn bad_request(text: impl Into<String>) -> AwsError {
    InvalidRequestException::message(text).into()
}

/// No such secret.
pub(crate) fn not_found() -> AwsError {
    let text = "Secrets Manager can't find the specified secret.";
    ResourceNotFoundException::message(text).into()
}

/// The secret has no such version.
pub(crate) fn no_value(what: &str) -> AwsError {
    let text = format!("Secrets Manager can't find the specified secret value for {what}");
    ResourceNotFoundException::message(text).into()
}

/// The name or the token is taken.
pub(crate) fn exists(text: impl Into<String>) -> AwsError {
    ResourceExistsException::message(text).into()
}

/// The secret waits to be deleted.
pub(crate) fn deleted() -> AwsError {
    bad_request(
        "You can't perform this operation on the secret because it was marked for deletion.",
    )
}

/// What is done to a replica is done to its primary, in that one's region.
pub(crate) fn replica() -> AwsError {
    invalid(
        "Operation not permitted on a replica secret. Call must be made in primary secret's \
         region.",
    )
}
