//! Data streams as sources of pollers: of event source mappings, and of pipes. AWS docs: *Using
//! Lambda to process records from Amazon Kinesis Data Streams*, *Amazon Kinesis stream as a source*.

mod pushed;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use haar_poller::{Errand, Item, Portion, Position, ShardFacts, SourceError, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::peek::KinesisPeek;
use crate::{
    GetRecords, GetRecordsInput, GetShardIterator, GetShardIteratorInput, ListShards,
    ListShardsInput, Record, ShardIteratorType,
};

pub use pushed::PushedSource;

/// How a record looks to who gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordStyle {
    /// As functions get it: what the sender put in is in `kinesis`.
    Nested,
    /// As pipes get it.
    Flat,
}

/// A stream that is polled.
pub struct StreamSource {
    errand: Errand,
    style: RecordStyle,
    /// The stream's ARN, also where a consumer of it is named.
    arn: String,
}

/// The source that an errand names: a stream, or a consumer of one, which is pushed to.
pub fn open(errand: Errand, style: RecordStyle) -> Arc<dyn Stream> {
    let is_consumer = errand.source_arn.contains("/consumer/");
    let source = StreamSource::new(errand, style);
    match is_consumer {
        true => Arc::new(PushedSource::new(source)),
        false => Arc::new(source),
    }
}

impl StreamSource {
    /// The stream that an errand names.
    pub fn new(errand: Errand, style: RecordStyle) -> Self {
        let source = errand.source_arn.as_str();
        let arn = source.split("/consumer/").next().unwrap_or(source).to_owned();
        Self { errand, style, arn }
    }

    async fn shards(&self) -> Result<Vec<ShardFacts>, SourceError> {
        let (mut all, mut next_token) = (Vec::new(), None);
        loop {
            let stream_arn = next_token.is_none().then(|| self.arn.clone());
            let input = ListShardsInput { stream_arn, next_token, ..ListShardsInput::default() };
            let page = self.errand.call::<ListShards>(input).await?;
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
        let got = self.errand.call::<GetShardIterator>(input).await?;
        got.shard_iterator.ok_or(SourceError::Expired)
    }

    async fn read(&self, shard: &str, place: &str, most: usize) -> Result<Portion, SourceError> {
        let input = GetRecordsInput {
            shard_iterator: place.to_owned(),
            limit: i32::try_from(most).ok(),
            ..GetRecordsInput::default()
        };
        let got = self.errand.call::<GetRecords>(input).await?;
        Ok(Portion { items: self.items(got.records, shard)?, next: got.next_shard_iterator })
    }

    fn items(&self, records: Vec<Record>, shard: &str) -> Result<Vec<Item>, SourceError> {
        let role = self.errand.reader.identity()?.role_arn;
        let region = self.errand.region();
        let of = |one| self.item(one, shard, &role, region.as_str());
        Ok(records.into_iter().map(of).collect())
    }

    fn item(&self, one: Record, shard: &str, role: &str, region: &str) -> Item {
        let filters = &self.errand.filters;
        let is_wanted = filters.is_empty() || filters.want(&view(&one), Some("data"));
        let (id, group) = (one.sequence_number.clone(), one.partition_key.clone());
        let at = one.approximate_arrival_timestamp.unwrap_or_default();
        let record = record(one, shard, &self.errand.source_arn, role, region, self.style);
        let size = record.to_string().len();
        Item { id, record, group, at, size, handle: String::new(), is_wanted }
    }
}

impl Stream for StreamSource {
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
        self.errand.doors.peeks.get::<dyn KinesisPeek>()?.grown(&self.arn)
    }

    fn incarnation(&self) -> Option<u64> {
        self.errand.doors.peeks.get::<dyn KinesisPeek>()?.incarnation(&self.arn)
    }

    /// What came since the errand began.
    fn latest(&self, _shard: &str) -> Position {
        Position::At(self.errand.since)
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

/// A record as functions and pipes get it.
fn record(
    one: Record,
    shard: &str,
    source_arn: &str,
    role: &str,
    region: &str,
    style: RecordStyle,
) -> Value {
    let arrived_at = one.approximate_arrival_timestamp.unwrap_or_default();
    let sent = json!({
        "kinesisSchemaVersion": "1.0",
        "partitionKey": one.partition_key,
        "sequenceNumber": one.sequence_number,
        "data": STANDARD.encode(&one.data),
        "approximateArrivalTimestamp": arrived_at.seconds_f64(),
    });
    let mut record = match style {
        RecordStyle::Nested => json!({ "kinesis": sent }),
        RecordStyle::Flat => sent,
    };
    record["eventSource"] = json!("aws:kinesis");
    record["eventVersion"] = json!("1.0");
    record["eventID"] = json!(format!("{shard}:{}", one.sequence_number));
    record["eventName"] = json!("aws:kinesis:record");
    record["invokeIdentityArn"] = json!(role);
    record["awsRegion"] = json!(region);
    record["eventSourceARN"] = json!(source_arn);
    record
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
        let shown =
            |style| record(one.clone(), "shardId-000000000006", arn, role, "us-east-2", style);
        assert_eq!(shown(RecordStyle::Nested), expected);
        let flat = shown(RecordStyle::Flat);
        assert_eq!(flat["data"], expected["kinesis"]["data"]);
        assert_eq!(flat["eventID"], expected["eventID"]);
        assert_eq!(flat.as_object().unwrap().len(), 12);
    }
}
