//! The room's errors, in AWS's words.

use haar_cloudwatch_contract::model::{
    InternalServiceFault, InvalidNextToken, InvalidParameterCombinationException,
    InvalidParameterValueException, MissingRequiredParameterException,
};
use haar_kv::KvError;
use haar_wire::AwsError;

/// A value that may not be.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    InvalidParameterValueException::message(text).into()
}

/// A request of more bytes than it may have, once it is inflated.
pub(crate) fn too_large(bytes: usize, bytes_max: usize) -> AwsError {
    let text = format!("Request size {bytes} exceeded {bytes_max} bytes");
    AwsError::new("RequestEntityTooLarge", 413, text)
}

/// Values that do not go together.
pub(crate) fn combination(text: impl Into<String>) -> AwsError {
    InvalidParameterCombinationException::message(text).into()
}

/// A value that must be given.
pub(crate) fn missing(text: impl Into<String>) -> AwsError {
    MissingRequiredParameterException::message(text).into()
}

/// A token that was not minted for this listing.
pub(crate) fn bad_token() -> AwsError {
    InvalidNextToken::message("The NextToken is not valid.").into()
}

/// What `GetMetricData` says of its queries; not in the model.
pub(crate) fn validation(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", 400, text)
}

/// The records could not be read or written.
pub(crate) fn fault(error: KvError) -> AwsError {
    tracing::error!(%error, "a metric operation failed");
    InternalServiceFault::message("The request processing has failed.").into()
}
