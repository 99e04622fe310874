//! What SNS refuses, in its words.

use haar_kv::KvError;
use haar_sns_contract as model;
use haar_wire::AwsError;

/// A parameter that cannot be.
pub(crate) fn invalid(text: impl AsRef<str>) -> AwsError {
    let text = format!("Invalid parameter: {}", text.as_ref());
    model::InvalidParameterException::message(text).into()
}

/// A parameter's value that cannot be; messages' attributes have words of their own.
pub(crate) fn invalid_value(text: impl AsRef<str>) -> AwsError {
    model::InvalidParameterValueException::message(text.as_ref()).into()
}

/// Something is not there.
pub(crate) fn not_found(text: &str) -> AwsError {
    model::NotFoundException::message(text).into()
}

/// The topic is not there.
pub(crate) fn no_topic() -> AwsError {
    not_found("Topic does not exist")
}

/// The subscription is not there.
pub(crate) fn no_subscription() -> AwsError {
    not_found("Subscription does not exist")
}

/// What carries tags is not there.
pub(crate) fn no_resource() -> AwsError {
    model::ResourceNotFoundException::message("Resource does not exist").into()
}

/// The caller is not the one who may.
pub(crate) fn not_authorized(text: &str) -> AwsError {
    model::AuthorizationErrorException::message(text).into()
}

/// The store failed: our fault.
pub(crate) fn broken(error: KvError) -> AwsError {
    tracing::error!(%error, "could not read or write notifications");
    match error {
        KvError::Full(_) => AwsError::disk_full(),
        _ => AwsError::internal_failure("the notifications could not be read or written"),
    }
}
