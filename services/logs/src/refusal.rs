//! The room's errors, in AWS's words.

use haar_wire::AwsError;

use crate::fault::Fault;

/// No such group.
pub(crate) fn no_group() -> AwsError {
    error("ResourceNotFoundException", "The specified log group does not exist.")
}

/// No such stream.
pub(crate) fn no_stream() -> AwsError {
    error("ResourceNotFoundException", "The specified log stream does not exist.")
}

/// No such filter; `kind` is `metric` or `subscription`.
pub(crate) fn no_filter(kind: &str) -> AwsError {
    error("ResourceNotFoundException", format!("The specified {kind} filter does not exist."))
}

/// More of something than a group may have.
pub(crate) fn too_many() -> AwsError {
    error("LimitExceededException", "Resource limit exceeded.")
}

/// An ARN that names nothing.
pub(crate) fn no_resource() -> AwsError {
    error("ResourceNotFoundException", "The specified resource does not exist.")
}

/// A group or stream of this name exists; `noun` is `log group` or `log stream`.
pub(crate) fn exists(noun: &str) -> AwsError {
    error("ResourceAlreadyExistsException", format!("The specified {noun} already exists"))
}

/// A parameter that makes no sense.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    error("InvalidParameterException", text)
}

/// A token that was not minted for this listing.
pub(crate) fn bad_token() -> AwsError {
    invalid("The specified nextToken is invalid.")
}

/// The group is protected from deletion.
pub(crate) fn protected() -> AwsError {
    let text = "Log group cannot be deleted because deletion protection is enabled for it.";
    error("ValidationException", text)
}

/// The model's errors have no members but a message that it does not list.
fn error(name: &'static str, text: impl Into<String>) -> AwsError {
    AwsError::new(name, 400, text)
}

impl From<Fault> for AwsError {
    fn from(fault: Fault) -> Self {
        tracing::error!(error = %fault, "a log operation failed");
        let text = "The service cannot complete the request.";
        Self::new("ServiceUnavailableException", 503, text)
    }
}
