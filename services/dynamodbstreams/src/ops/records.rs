//! `GetShardIterator` and `GetRecords`.

use std::sync::Arc;

use haar_dynamodb_contract::peek::{Sequence, ShardFacts, StreamFacts, StreamPeek, read_sequence};
use haar_dynamodbstreams_contract::{
    GetRecords, GetRecordsInput, GetRecordsOutput, GetShardIterator, GetShardIteratorInput,
    GetShardIteratorOutput, ShardIteratorType,
};
use haar_kernel::{Answer, Call, Doors, Flow, UsageRecord};
use haar_policy::Principal as Identity;
use haar_wire::AwsError;

use crate::Streams;
use crate::iterator::{LIFETIME, Place};
use crate::refusal::{expired, fault, invalid, no_shard, no_stream, trimmed};
use crate::render;

/// Records of one answer at most.
const RECORDS_MAX: usize = 1000;

/// AWS docs: *Amazon DynamoDB Streams API Reference > GetShardIterator*.
impl Flow<GetShardIterator> for Streams {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetShardIteratorInput,
    ) -> Answer<GetShardIterator> {
        let (snapshot, streams) = (self.doors.ledger.snapshot(), self.streams()?);
        let arn = &input.stream_arn;
        streams.stream(&snapshot, arn).ok_or_else(|| no_stream(arn))?;
        let shards = streams.shards(&snapshot, arn).map_err(|_| fault())?;
        let shard = shards.iter().find(|shard| shard.id == input.shard_id);
        let shard = shard.ok_or_else(|| no_shard(&input.shard_id, arn))?;
        let from = begin(&*streams, arn, shard, &input)?;
        let place = Place {
            stream_arn: input.stream_arn,
            shard_id: input.shard_id,
            from,
            made_at: call.now,
        };
        Ok(GetShardIteratorOutput { shard_iterator: Some(place.text()) })
    }
}

/// The number that the first record has at least.
fn begin(
    streams: &dyn StreamPeek,
    arn: &str,
    shard: &ShardFacts,
    input: &GetShardIteratorInput,
) -> Result<Sequence, AwsError> {
    let given = || {
        let text = input.sequence_number.as_deref().ok_or_else(|| {
            invalid(format!(
                "1 validation error detected: Value null at 'sequenceNumber' failed to satisfy \
                 constraint: SequenceNumber is required for {}",
                input.shard_iterator_type
            ))
        })?;
        let number = read_sequence(text)
            .ok_or_else(|| invalid(format!("Invalid SequenceNumber: {text}")))?;
        match number < shard.first {
            true => Err(trimmed()),
            false => Ok(number),
        }
    };
    Ok(match input.shard_iterator_type {
        ShardIteratorType::TrimHorizon => shard.first,
        ShardIteratorType::AtSequenceNumber => given()?,
        ShardIteratorType::AfterSequenceNumber => given()? + 1,
        ShardIteratorType::Latest => match shard.last {
            Some(last) => last + 1,
            None => {
                let newest = streams.grown(arn).ok_or_else(|| no_stream(arn))?;
                let newest = *newest.borrow();
                shard.first.max(newest + 1)
            }
        },
    })
}

/// AWS docs: *Amazon DynamoDB Streams API Reference > GetRecords*.
impl Flow<GetRecords> for Streams {
    async fn flow(self: Arc<Self>, call: Call, input: GetRecordsInput) -> Answer<GetRecords> {
        let place = Place::read(&input.shard_iterator);
        let place = place.ok_or_else(|| invalid("Invalid ShardIterator"))?;
        if call.now >= place.made_at + LIFETIME {
            return Err(expired(place.made_at, call.now));
        }
        let (snapshot, streams) = (self.doors.ledger.snapshot(), self.streams()?);
        let arn = &place.stream_arn;
        let facts = streams.stream(&snapshot, arn).ok_or_else(|| no_stream(arn))?;
        let shards = streams.shards(&snapshot, arn).map_err(|_| fault())?;
        let shard = shards.iter().find(|shard| shard.id == place.shard_id);
        let shard = shard.ok_or_else(trimmed)?;
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(RECORDS_MAX).clamp(1, RECORDS_MAX);
        let range = (place.from, shard.last.unwrap_or(Sequence::MAX));
        let entries = streams.records(&snapshot, arn, range, limit).map_err(|_| fault())?;
        let from = entries.last().map_or(place.from, |entry| entry.sequence + 1);
        let is_over = shard.last.is_some_and(|last| entries.is_empty() || from > last);
        let next = Place { from, made_at: call.now, ..place.clone() };
        meter(&self.doors, &call, &facts);
        let region = &call.region;
        let shown = entries.into_iter().map(|entry| render::record(&facts, region, entry));
        Ok(GetRecordsOutput {
            records: Some(shown.collect()),
            next_shard_iterator: (!is_over).then(|| next.text()),
        })
    }
}

/// Each call is one read request unit; what services read for functions is free.
fn meter(doors: &Doors, call: &Call, stream: &StreamFacts) {
    if matches!(call.principal.identity, Identity::Service { .. }) {
        return;
    }
    doors.meter.record(UsageRecord {
        account: call.account.clone(),
        region: call.region.clone(),
        at: call.now,
        service: "dynamodb",
        resource: stream.table.clone(),
        quantities: vec![("stream-reads", 1)],
    });
}
