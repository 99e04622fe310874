//! What STS refuses, in its words.

use haar_policy::PolicyError;
use haar_sts_contract::MalformedPolicyDocumentException;
use haar_wire::AwsError;

/// 400: well-formed and still wrong.
pub(crate) fn validation(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", 400, text)
}

/// 400: a session policy that cannot be read.
#[allow(clippy::needless_pass_by_value)] // the form that `map_err` wants
pub(crate) fn malformed(error: PolicyError) -> AwsError {
    MalformedPolicyDocumentException::message(error.to_string()).into()
}

/// 403: the role's trust policy, or the caller's own policies, say no. STS does not tell which.
pub(crate) fn not_authorized(who: &str, action: &str, resource: &str) -> AwsError {
    AwsError::access_denied(format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource}"
    ))
}
