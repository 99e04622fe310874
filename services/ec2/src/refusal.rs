//! What EC2 refuses, in its words.

use haar_wire::AwsError;

/// 400 with one of EC2's codes.
pub(crate) fn refuse(code: &'static str, text: impl Into<String>) -> AwsError {
    AwsError::new(code, 400, text)
}

/// A value that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    refuse("InvalidParameterValue", text)
}

/// Parameters that do not go together.
pub(crate) fn combination(text: impl Into<String>) -> AwsError {
    refuse("InvalidParameterCombination", text)
}

/// A parameter that is missing.
pub(crate) fn missing(name: &str) -> AwsError {
    refuse("MissingParameter", format!("The request must contain the parameter {name}"))
}

/// What AWS has here and haar has not.
pub(crate) fn unsupported(what: &str) -> AwsError {
    refuse("UnsupportedOperation", format!("{what} is not supported by haar"))
}

/// Something hangs on it.
pub(crate) fn dependency(kind: &str, id: &str) -> AwsError {
    let text = format!("The {kind} '{id}' has dependencies and cannot be deleted.");
    refuse("DependencyViolation", text)
}

/// Not the caller's to change.
pub(crate) fn not_permitted(text: impl Into<String>) -> AwsError {
    refuse("OperationNotPermitted", text)
}
