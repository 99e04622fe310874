//! What SQS refuses, in its words, with the codes of both protocols.

use haar_kv::KvError;
use haar_sqs_contract as model;
use haar_wire::AwsError;

/// A parameter with a value that cannot be.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValueException", 400, text).query_code("InvalidParameterValue")
}

/// The same in SQS's usual words.
pub(crate) fn invalid_value(value: impl AsRef<str>, parameter: &str, reason: &str) -> AwsError {
    let value = value.as_ref();
    invalid(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

/// A parameter that another queue type has.
pub(crate) fn wrong_type(value: impl AsRef<str>, parameter: &str) -> AwsError {
    let reason = "The request include parameter that is not valid for this queue type.";
    invalid_value(value, parameter, reason)
}

/// A parameter is missing.
pub(crate) fn missing(parameter: &str) -> AwsError {
    let text = format!("The request must contain the parameter {parameter}.");
    AwsError::new("MissingRequiredParameterException", 400, text).query_code("MissingParameter")
}

/// No such queue.
pub(crate) fn no_queue() -> AwsError {
    coded(
        model::QueueDoesNotExist::message("The specified queue does not exist."),
        "AWS.SimpleQueueService.NonExistentQueue",
    )
}

/// A URL that names no queue.
pub(crate) fn bad_address(url: &str) -> AwsError {
    let text = format!("The address {url} is not valid for this endpoint.");
    model::InvalidAddress::message(text).into()
}

/// An attribute that SQS does not know, or not for this queue.
pub(crate) fn unknown_attribute(name: &str) -> AwsError {
    model::InvalidAttributeName::message(format!("Unknown Attribute {name}.")).into()
}

/// An attribute's value that cannot be.
pub(crate) fn bad_attribute(name: &str) -> AwsError {
    let text = format!("Invalid value for the parameter {name}.");
    model::InvalidAttributeValue::message(text).into()
}

/// A queue is encrypted with one kind of key.
pub(crate) fn two_encryptions() -> AwsError {
    let text = "You can use one type of server-side encryption (SSE) at one time. You can either \
                enable KMS SSE or SQS SSE.";
    model::InvalidAttributeValue::message(text).into()
}

/// The name is taken by a queue that differs in an attribute.
pub(crate) fn queue_exists(attribute: &str) -> AwsError {
    let text = format!(
        "A queue already exists with the same name and a different value for attribute {attribute}"
    );
    coded(model::QueueNameExists::message(text), "QueueAlreadyExists")
}

/// The name was a queue's a moment ago.
pub(crate) fn deleted_recently() -> AwsError {
    let text = "You must wait 60 seconds after deleting a queue before you can create another \
                with the same name.";
    coded(model::QueueDeletedRecently::message(text), "AWS.SimpleQueueService.QueueDeletedRecently")
}

/// The queue was purged a moment ago.
pub(crate) fn purge_in_progress(name: &str) -> AwsError {
    let text = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
    coded(model::PurgeQueueInProgress::message(text), "AWS.SimpleQueueService.PurgeQueueInProgress")
}

/// A receipt handle that SQS never gave.
pub(crate) fn bad_handle(handle: &str) -> AwsError {
    let text = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    model::ReceiptHandleIsInvalid::message(text).into()
}

/// What SQS does not do.
pub(crate) fn unsupported(text: impl Into<String>) -> AwsError {
    coded(model::UnsupportedOperation::message(text), "AWS.SimpleQueueService.UnsupportedOperation")
}

/// Too many messages are in flight.
pub(crate) fn over_limit(text: impl Into<String>) -> AwsError {
    model::OverLimit::message(text).into()
}

/// What a move task names is not there.
pub(crate) fn no_resource(text: &str) -> AwsError {
    model::ResourceNotFoundException::message(text).into()
}

/// The same error with the code that the query protocol has for it.
pub(crate) fn coded(error: impl Into<AwsError>, code: &'static str) -> AwsError {
    error.into().query_code(code)
}

/// The store failed: our fault.
pub(crate) fn broken(error: KvError) -> AwsError {
    tracing::error!(%error, "could not read or write messages");
    match error {
        KvError::Full(_) => AwsError::disk_full(),
        _ => AwsError::internal_failure("the messages could not be read or written"),
    }
}
