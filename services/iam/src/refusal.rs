//! What IAM refuses, in its words.

use haar_iam_contract::{
    DeleteConflictException, EntityAlreadyExistsException, InvalidInputException,
    LimitExceededException, MalformedPolicyDocumentException, NoSuchEntityException,
    UnmodifiableEntityException,
};
use haar_policy::PolicyError;
use haar_wire::AwsError;

/// 404: it is not there.
pub(crate) fn no_such(text: impl Into<String>) -> AwsError {
    NoSuchEntityException::message(text).into()
}

/// 409: the name is taken.
pub(crate) fn taken(text: impl Into<String>) -> AwsError {
    EntityAlreadyExistsException::message(text).into()
}

/// 409: something hangs on it.
pub(crate) fn conflict(text: impl Into<String>) -> AwsError {
    DeleteConflictException::message(text).into()
}

/// 409: a quota is used up.
pub(crate) fn limit(text: impl Into<String>) -> AwsError {
    LimitExceededException::message(text).into()
}

/// 409: a quota is used up, by the quota's name.
pub(crate) fn quota(name: &str, max: usize) -> AwsError {
    limit(format!("Cannot exceed quota for {name}: {max}"))
}

/// 400: well-formed and still wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    InvalidInputException::message(text).into()
}

/// 400: the same, found before anything was looked up.
pub(crate) fn validation(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", 400, text)
}

/// 400: a role that is a service's to change.
pub(crate) fn unmodifiable(role: &str) -> AwsError {
    UnmodifiableEntityException::message(format!(
        "Cannot perform the operation on the protected role '{role}' - this role is only \
         modifiable by AWS"
    ))
    .into()
}

/// 400: a policy that cannot be read.
#[allow(clippy::needless_pass_by_value)] // the form that `map_err` wants
pub(crate) fn malformed(error: PolicyError) -> AwsError {
    MalformedPolicyDocumentException::message(error.to_string()).into()
}
