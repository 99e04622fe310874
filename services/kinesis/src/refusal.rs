//! What Kinesis refuses, in its words.

use std::time::Duration;

use haar_kinesis_contract::{
    ExpiredIteratorException, ExpiredNextTokenException, InvalidArgumentException,
    LimitExceededException, ProvisionedThroughputExceededException, ResourceInUseException,
    ResourceNotFoundException, StreamStatus, ValidationException,
};
use haar_types::{AccountId, Timestamp};
use haar_wire::AwsError;

use crate::state::StreamKey;

/// An argument that is wrong.
pub(crate) fn invalid_argument(text: impl Into<String>) -> AwsError {
    InvalidArgumentException::message(text).into()
}

/// A request that makes no sense as a whole.
pub(crate) fn validation(text: impl Into<String>) -> AwsError {
    ValidationException::message(text).into()
}

/// A quota is used up, or the same was asked too often.
pub(crate) fn limit_exceeded(text: impl Into<String>) -> AwsError {
    LimitExceededException::message(text).into()
}

/// Something is in a state that forbids it.
pub(crate) fn in_use(text: impl Into<String>) -> AwsError {
    ResourceInUseException::message(text).into()
}

/// No such stream.
pub(crate) fn no_stream(key: &StreamKey) -> AwsError {
    let text = format!("Stream {} under account {} not found.", key.name, key.account);
    ResourceNotFoundException::message(text).into()
}

/// A stream of that name is there.
pub(crate) fn stream_exists(key: &StreamKey) -> AwsError {
    in_use(format!("Stream {} under account {} already exists.", key.name, key.account))
}

/// The stream must be active for that.
pub(crate) fn not_active(key: &StreamKey, status: StreamStatus) -> AwsError {
    in_use(format!(
        "Stream {} under account {} not ACTIVE, instead in state {status}",
        key.name, key.account
    ))
}

/// No such shard.
pub(crate) fn no_shard(key: &StreamKey, shard: &str) -> AwsError {
    let text = format!(
        "Could not find shard {shard} in stream {} under account {}.",
        key.name, key.account
    );
    ResourceNotFoundException::message(text).into()
}

/// No such consumer.
pub(crate) fn no_consumer(named: &str, account: &AccountId) -> AwsError {
    let text = format!("Consumer {named} under account {account} not found.");
    ResourceNotFoundException::message(text).into()
}

/// No such policy.
pub(crate) fn no_policy(arn: &str) -> AwsError {
    let text = format!("Resource policy for {arn} not found.");
    ResourceNotFoundException::message(text).into()
}

/// A shard takes or gives no more in this second.
pub(crate) fn rate_exceeded(key: &StreamKey, shard: u32) -> AwsError {
    ProvisionedThroughputExceededException::message(rate_text(key, shard)).into()
}

/// The words of [`rate_exceeded`].
pub(crate) fn rate_text(key: &StreamKey, shard: u32) -> String {
    format!(
        "Rate exceeded for shard {} in stream {} under account {}.",
        crate::render::shard_id(shard),
        key.name,
        key.account
    )
}

/// An iterator that is too old.
pub(crate) fn expired_iterator(minted: Timestamp, now: Timestamp, lifetime: Duration) -> AwsError {
    let shown = |at: Timestamp| at.strftime("%a %b %d %H:%M:%S UTC %Y");
    ExpiredIteratorException::message(format!(
        "Iterator expired. The iterator was created at time {} while right now it is {} which is \
         further in the future than the tolerated delay of {} milliseconds.",
        shown(minted),
        shown(now),
        lifetime.as_millis()
    ))
    .into()
}

/// A token that is none of this listing.
pub(crate) fn bad_token() -> AwsError {
    invalid_argument("NextToken is invalid.")
}

/// A token that is too old.
pub(crate) fn expired_token() -> AwsError {
    ExpiredNextTokenException::message("NextToken has expired.").into()
}
