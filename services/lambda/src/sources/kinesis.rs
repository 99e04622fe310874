//! Records of Kinesis. AWS docs: *Using Lambda to process records from Amazon Kinesis Data
//! Streams*.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use haar_kinesis_contract::peek::KinesisPeek;
use haar_kinesis_contract::{
    GetRecords, GetRecordsInput, GetShardIterator, GetShardIteratorInput, ListShards,
    ListShardsInput, Record, ShardIteratorType,
};
use haar_poller::{Item, Portion, Position, ShardFacts, SourceError, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::identity::{Poll, source_error};

/// A mapping's stream. A consumer of its own is named like its stream, and read like it:
/// *Ours*, AWS pushes to it.
pub(super) struct DataStream {
    poll: Poll,
    arn: String,
}

impl DataStream {
    pub(super) fn new(poll: Poll) -> Self {
        let source = poll.source();
        let arn = source.split("/consumer/").next().unwrap_or(source).to_owned();
        Self { poll, arn }
    }

    async fn shards(&self) -> Result<Vec<ShardFacts>, SourceError> {
        let (mut all, mut next_token) = (Vec::new(), None);
        loop {
            let stream_arn = next_token.is_none().then(|| self.arn.clone());
            let input = ListShardsInput { stream_arn, next_token, ..ListShardsInput::default() };
            let page = self.poll.call::<ListShards>(input).await.map_err(source_error)?;
            all.extend(page.shards.unwrap_or_default().into_iter().map(|shard| {
                ShardFacts {
                    id: shard.shard_id,
                    parents: shard
                        .parent_shard_id
                        .into_iter()
                        .chain(shard.adjacent_parent_shard_id)
                        .collect(),
                }
            }));
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn place(&self, shard: &str, position: &Position) -> Result<String, SourceError> {
        let mut input = GetShardIteratorInput {
            stream_arn: Some(self.arn.clone()),
            shard_id: shard.to_owned(),
            ..GetShardIteratorInput::default()
        };
        input.shard_iterator_type = match position {
            Position::Horizon => ShardIteratorType::TrimHorizon,
            Position::Latest => ShardIteratorType::Latest,
            Position::At(time) => {
                input.timestamp = Some(*time);
                ShardIteratorType::AtTimestamp
            }
            Position::After(number) => {
                input.starting_sequence_number = Some(number.clone());
                ShardIteratorType::AfterSequenceNumber
            }
        };
        let got = self.poll.call::<GetShardIterator>(input).await.map_err(source_error)?;
        got.shard_iterator.ok_or(SourceError::Expired)
    }

    async fn read(&self, shard: &str, place: &str, most: usize) -> Result<Portion, SourceError> {
        let input = GetRecordsInput {
            shard_iterator: place.to_owned(),
            limit: i32::try_from(most).ok(),
            ..GetRecordsInput::default()
        };
        let got = self.poll.call::<GetRecords>(input).await.map_err(source_error)?;
        let resolved = self.poll.resolve().map_err(source_error)?;
        let role = &resolved.version.settings.role;
        let region = self.poll.source_region();
        let of = |one| self.item(one, shard, role, region.as_str());
        let items = got.records.into_iter().map(of).collect();
        Ok(Portion { items, next: got.next_shard_iterator })
    }

    fn item(&self, one: Record, shard: &str, role: &str, region: &str) -> Item {
        let filters = &self.poll.filters;
        let is_wanted = filters.is_empty() || filters.want(&view(&one), Some("data"));
        let (id, group) = (one.sequence_number.clone(), one.partition_key.clone());
        let at = one.approximate_arrival_timestamp.unwrap_or_default();
        let record = record(one, shard, self.poll.source(), role, region);
        let size = record.to_string().len();
        Item { id, record, group, at, size, handle: String::new(), is_wanted }
    }
}

impl Stream for DataStream {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<ShardFacts>, SourceError>> {
        Box::pin(self.shards())
    }

    fn place<'a>(
        &'a self,
        shard: &'a str,
        position: &'a Position,
    ) -> BoxFuture<'a, Result<String, SourceError>> {
        Box::pin(self.place(shard, position))
    }

    fn read<'a>(
        &'a self,
        shard: &'a str,
        place: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Portion, SourceError>> {
        Box::pin(self.read(shard, place, most))
    }

    fn grown(&self) -> Option<watch::Receiver<u64>> {
        self.poll.room.doors.peeks.get::<dyn KinesisPeek>()?.grown(&self.arn)
    }

    /// What came since the mapping was made.
    fn latest(&self, _shard: &str) -> Position {
        Position::At(self.poll.row.last_modified_at)
    }
}

/// What filters look at.
fn view(one: &Record) -> Value {
    json!({
        "kinesisSchemaVersion": "1.0",
        "partitionKey": one.partition_key,
        "sequenceNumber": one.sequence_number,
        "data": String::from_utf8_lossy(&one.data),
        "approximateArrivalTimestamp": one.approximate_arrival_timestamp.map(|at| at.seconds_f64()),
    })
}

/// A record as a function gets it.
fn record(one: Record, shard: &str, source_arn: &str, role: &str, region: &str) -> Value {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": one.partition_key,
            "sequenceNumber": one.sequence_number,
            "data": STANDARD.encode(&one.data),
            "approximateArrivalTimestamp":
                one.approximate_arrival_timestamp.unwrap_or_default().seconds_f64(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("{shard}:{}", one.sequence_number),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": region,
        "eventSourceARN": source_arn,
    })
}

#[cfg(test)]
mod tests {
    use haar_types::Timestamp;

    use super::*;

    #[test]
    fn a_record_looks_as_aws_shows_it() {
        let one = Record {
            sequence_number: "495903".to_owned(),
            approximate_arrival_timestamp: Some(Timestamp(1_545_084_650_987)),
            data: b"Hello, this is a test.".as_slice().into(),
            partition_key: "1".to_owned(),
            encryption_type: None,
        };
        let arn = "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream";
        let role = "arn:aws:iam::123456789012:role/lambda-role";
        let expected = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": "495903",
                "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                "approximateArrivalTimestamp": 1_545_084_650.987
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000006:495903",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role,
            "awsRegion": "us-east-2",
            "eventSourceARN": arn
        });
        assert_eq!(record(one, "shardId-000000000006", arn, role, "us-east-2"), expected);
    }
}
