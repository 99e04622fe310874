//! Finding what a request names, or refusing.

use std::sync::Arc;

use haar_kernel::Call;
use haar_kinesis_contract::StreamStatus;
use haar_ledger::Snapshot;
use haar_types::{Arn, Partition};
use haar_wire::AwsError;

use crate::refusal::{invalid_argument, no_consumer, no_shard, no_stream, not_active};
use crate::render::shard_number;
use crate::state::{ConsumerKey, ConsumerRow, ShardKey, ShardRow, StreamKey, StreamRow};

/// The stream that an ARN names, also one of a consumer.
pub(crate) fn key_of_arn(arn: &str) -> Option<StreamKey> {
    let is_ours = |arn: &Arn| arn.service() == "kinesis" && Partition::holds(arn.as_str());
    let arn = Arn::try_from(arn.to_owned()).ok().filter(is_ours)?;
    let name = arn.resource().strip_prefix("stream/")?;
    let name = name.split('/').next().filter(|name| !name.is_empty())?.to_owned();
    let (account, region) = (arn.account().parse().ok()?, arn.region().parse().ok()?);
    Some(StreamKey { account, region, name })
}

/// The consumer that an ARN names.
pub(crate) fn consumer_key_of_arn(arn: &str) -> Option<ConsumerKey> {
    let stream = key_of_arn(arn)?;
    let (_, consumer) = arn.split_once("/consumer/")?;
    let (name, _) = consumer.rsplit_once(':')?;
    Some(ConsumerKey { stream, name: name.to_owned() })
}

/// The key of a stream that is named by name or by ARN.
pub(crate) fn stream_key(
    call: &Call,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<StreamKey, AwsError> {
    let of_name = |name: &str| StreamKey {
        account: call.account.clone(),
        region: call.region.clone(),
        name: name.to_owned(),
    };
    let of_arn = match arn {
        None => None,
        Some(arn) => Some(key_of_arn(arn).ok_or_else(|| {
            invalid_argument(format!("StreamARN {arn} is not the ARN of a stream."))
        })?),
    };
    match (name, of_arn) {
        (Some(name), Some(key)) if key.name != name => {
            Err(invalid_argument("StreamName and StreamARN do not name the same stream."))
        }
        (_, Some(key)) if key.region != call.region => Err(no_stream(&key)),
        (_, Some(key)) => Ok(key),
        (Some(name), None) => Ok(of_name(name)),
        (None, None) => {
            Err(invalid_argument("Either StreamName or StreamARN should be specified."))
        }
    }
}

/// A stream.
pub(crate) fn find_stream(
    snapshot: &Snapshot,
    key: &StreamKey,
) -> Result<Arc<StreamRow>, AwsError> {
    snapshot.get::<StreamRow>(key).ok_or_else(|| no_stream(key))
}

/// The stream that a request names.
pub(crate) fn find(
    snapshot: &Snapshot,
    call: &Call,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Arc<StreamRow>, AwsError> {
    find_stream(snapshot, &stream_key(call, name, arn)?)
}

/// The stream that a request names, which nothing is under way with.
pub(crate) fn find_active(
    snapshot: &Snapshot,
    call: &Call,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<StreamRow, AwsError> {
    let row = find(snapshot, call, name, arn)?;
    match row.status {
        StreamStatus::Active => Ok(StreamRow::clone(&row)),
        status => Err(not_active(&row.key, status)),
    }
}

/// A shard of a stream by its id.
pub(crate) fn find_shard(
    snapshot: &Snapshot,
    stream: &StreamRow,
    id: &str,
) -> Result<Arc<ShardRow>, AwsError> {
    let key = shard_number(id).map(|number| ShardKey { stream: stream.id, number });
    let row = key.and_then(|key| snapshot.get::<ShardRow>(&key));
    row.ok_or_else(|| no_shard(&stream.key, id))
}

/// A consumer by its ARN, or by its stream's ARN and its name.
pub(crate) fn find_consumer(
    snapshot: &Snapshot,
    call: &Call,
    consumer_arn: Option<&str>,
    stream_arn: Option<&str>,
    name: Option<&str>,
) -> Result<Arc<ConsumerRow>, AwsError> {
    let missing = |named: &str| no_consumer(named, &call.account);
    match (consumer_arn, stream_arn, name) {
        (Some(arn), _, _) => {
            let key = consumer_key_of_arn(arn).ok_or_else(|| missing(arn))?;
            let row = snapshot.get::<ConsumerRow>(&key).filter(|row| row.arn() == arn);
            row.ok_or_else(|| missing(arn))
        }
        (None, Some(stream), Some(name)) => {
            let stream = find(snapshot, call, None, Some(stream))?.key.clone();
            let key = ConsumerKey { stream, name: name.to_owned() };
            snapshot.get::<ConsumerRow>(&key).ok_or_else(|| missing(name))
        }
        _ => Err(invalid_argument(
            "Either ConsumerARN or both StreamARN and ConsumerName should be specified.",
        )),
    }
}
