//! What DynamoDB Streams refuses, in its words.

use haar_dynamodbstreams_contract::{
    ExpiredIteratorException, ResourceNotFoundException, TrimmedDataAccessException,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::iterator::LIFETIME;

/// A request that is wrong.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", 400, text)
}

/// No such stream.
pub(crate) fn no_stream(arn: &str) -> AwsError {
    let text = format!("Requested resource not found: Stream: {arn} not found");
    ResourceNotFoundException::message(text).into()
}

/// The stream has no such shard.
pub(crate) fn no_shard(id: &str, arn: &str) -> AwsError {
    let text = format!("Requested resource not found: Shard: {id} in stream: {arn} not found");
    ResourceNotFoundException::message(text).into()
}

/// The records are gone.
pub(crate) fn trimmed() -> AwsError {
    let text = "The operation attempted to read past the oldest stream record in a shard.";
    TrimmedDataAccessException::message(text).into()
}

/// The iterator is too old.
pub(crate) fn expired(made_at: Timestamp, now: Timestamp) -> AwsError {
    let text = format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is \
         further in the future than the tolerated delay of {} milliseconds.",
        made_at.iso_millis(),
        now.iso_millis(),
        LIFETIME.as_millis()
    );
    ExpiredIteratorException::message(text).into()
}

/// The store did not answer.
pub(crate) fn fault() -> AwsError {
    AwsError::new("InternalServerError", 500, "Internal server error")
}
