//! Shard iterators.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_kinesis_contract::{
    GetShardIterator, GetShardIteratorInput, GetShardIteratorOutput, ShardIteratorType,
    StreamStatus,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Kinesis;
use crate::lookup::{find, find_shard};
use crate::read::Opened;
use crate::refusal::{invalid_argument, no_stream};
use crate::render::shard_id;
use crate::rules::sequence::Sequence;

/// Where in a shard a reader wants to begin.
pub(super) struct Wanted<'a> {
    pub(super) kind: ShardIteratorType,
    pub(super) sequence: Option<&'a str>,
    pub(super) timestamp: Option<Timestamp>,
}

/// AWS docs: *Kinesis Data Streams API Reference > GetShardIterator*.
impl Flow<GetShardIterator> for Kinesis {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetShardIteratorInput,
    ) -> Answer<GetShardIterator> {
        let snapshot = self.doors.ledger.snapshot();
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let stream = find(&snapshot, &call, name, arn)?;
        if matches!(stream.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(no_stream(&stream.key));
        }
        let shard = find_shard(&snapshot, &stream, &input.shard_id)?;
        let tip = self.tip(&shard)?;
        let opened = Opened { snapshot, stream, shard, tip };
        let wanted = Wanted {
            kind: input.shard_iterator_type,
            sequence: input.starting_sequence_number.as_deref(),
            timestamp: input.timestamp,
        };
        let from = begin("GetShardIterator", &opened, &wanted, call.now)?;
        let token = self.mint(&call, &opened, from);
        Ok(GetShardIteratorOutput { shard_iterator: Some(token) })
    }
}

/// The first sequence number that a reader who begins there may read.
pub(super) fn begin(
    operation: &str,
    opened: &Opened,
    wanted: &Wanted<'_>,
    now: Timestamp,
) -> Result<Sequence, AwsError> {
    let number = opened.shard.key.number;
    let given = || match wanted.sequence {
        Some(text) => check_sequence(operation, opened, text),
        None => Err(invalid_argument(format!(
            "Must either specify a StartingSequenceNumber or an iterator type of TRIM_HORIZON, \
             LATEST or AT_TIMESTAMP for {operation}."
        ))),
    };
    Ok(match wanted.kind {
        ShardIteratorType::TrimHorizon => opened.shard.start,
        ShardIteratorType::Latest => {
            let last = opened.tip.state.lock().last;
            Sequence::new(last + 1, number)
        }
        ShardIteratorType::AtSequenceNumber => given()?,
        ShardIteratorType::AfterSequenceNumber => Sequence::new(given()?.tick() + 1, number),
        ShardIteratorType::AtTimestamp => {
            let at = wanted.timestamp.ok_or_else(|| {
                invalid_argument(format!(
                    "Must specify timestamp parameter for iterator of type AT_TIMESTAMP. Current \
                     request has no timestamp parameter in {operation}."
                ))
            })?;
            if at > now {
                return Err(invalid_argument(format!(
                    "The timestampInMillis parameter cannot be greater than the \
                     currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
                    at.0, now.0
                )));
            }
            Sequence::at(at, number)
        }
    })
}

fn check_sequence(operation: &str, opened: &Opened, text: &str) -> Result<Sequence, AwsError> {
    let (stream, shard) = (&opened.stream.key, &opened.shard);
    let id = shard_id(shard.key.number);
    let refuse = |why: &str| {
        invalid_argument(format!(
            "StartingSequenceNumber {text} used in {operation} on shard {id} in stream {} under \
             account {} is invalid because {why}",
            stream.name, stream.account
        ))
    };
    if text == "0" {
        return Ok(shard.start);
    }
    let sequence =
        Sequence::parse(text).ok_or_else(|| refuse("it did not come from this stream."))?;
    if sequence.shard() != shard.key.number {
        return Err(invalid_argument(format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a \
             shard with {id}",
            shard_id(sequence.shard())
        )));
    }
    if sequence < shard.start {
        return Err(refuse("it did not come from this stream."));
    }
    Ok(sequence)
}
