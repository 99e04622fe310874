//! Streams of tables as sources of pollers: of event source mappings, and of pipes. AWS docs:
//! *Using AWS Lambda with Amazon DynamoDB*, *Amazon DynamoDB stream as a source*.

use futures_util::future::BoxFuture;
use haar_dynamodb_contract::peek::{StreamPeek, shown_sequence};
use haar_poller::{Errand, Item, Portion, Position, ShardFacts, SourceError, Stream};
use haar_wire::AwsError;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    DescribeStream, DescribeStreamInput, GetRecords, GetRecordsInput, GetShardIterator,
    GetShardIteratorInput, Record, ShardIteratorType,
};

/// Records of one answer at most.
const READ_MAX: usize = 1000;

/// A table's stream that is polled.
pub struct TableSource {
    errand: Errand,
}

impl TableSource {
    /// The stream that an errand names.
    pub fn new(errand: Errand) -> Self {
        Self { errand }
    }

    async fn shards(&self) -> Result<Vec<ShardFacts>, SourceError> {
        let (mut all, mut exclusive_start_shard_id) = (Vec::new(), None);
        loop {
            let input = DescribeStreamInput {
                stream_arn: self.errand.source_arn.clone(),
                exclusive_start_shard_id,
                ..DescribeStreamInput::default()
            };
            let page = self.errand.call::<DescribeStream>(input).await?;
            let Some(page) = page.stream_description else { return Ok(all) };
            let shards = page.shards.unwrap_or_default().into_iter();
            all.extend(shards.map(|shard| ShardFacts {
                id: shard.shard_id.unwrap_or_default(),
                parents: shard.parent_shard_id.into_iter().collect(),
            }));
            exclusive_start_shard_id = page.last_evaluated_shard_id;
            if exclusive_start_shard_id.is_none() {
                return Ok(all);
            }
        }
    }

    async fn place(&self, shard: &str, position: &Position) -> Result<String, SourceError> {
        match self.iterator(shard, position).await {
            // What it was to go on from is gone: the oldest that is left comes next.
            Err(error) if error.name() == "TrimmedDataAccessException" => {
                Ok(self.iterator(shard, &Position::Horizon).await?)
            }
            place => Ok(place?),
        }
    }

    async fn iterator(&self, shard: &str, position: &Position) -> Result<String, AwsError> {
        let (shard_iterator_type, sequence_number) = match position {
            Position::Horizon | Position::At(_) => (ShardIteratorType::TrimHorizon, None),
            Position::Latest => (ShardIteratorType::Latest, None),
            Position::After(number) => {
                (ShardIteratorType::AfterSequenceNumber, Some(number.clone()))
            }
        };
        let input = GetShardIteratorInput {
            stream_arn: self.errand.source_arn.clone(),
            shard_id: shard.to_owned(),
            shard_iterator_type,
            sequence_number,
        };
        let got = self.errand.call::<GetShardIterator>(input).await?;
        Ok(got.shard_iterator.unwrap_or_default())
    }

    async fn read(&self, place: &str, most: usize) -> Result<Portion, SourceError> {
        let input = GetRecordsInput {
            shard_iterator: place.to_owned(),
            limit: i32::try_from(most.min(READ_MAX)).ok(),
        };
        let got = match self.errand.call::<GetRecords>(input).await {
            Err(error) if error.name() == "TrimmedDataAccessException" => {
                return Err(SourceError::Expired);
            }
            got => got?,
        };
        let items = got.records.unwrap_or_default().into_iter().map(|one| self.item(&one));
        Ok(Portion { items: items.collect(), next: got.next_shard_iterator })
    }

    fn item(&self, one: &Record) -> Item {
        let record = record(one, &self.errand.source_arn);
        let filters = &self.errand.filters;
        let change = one.dynamodb.as_ref();
        let at = change.and_then(|change| change.approximate_creation_date_time);
        Item {
            id: change.and_then(|change| change.sequence_number.clone()).unwrap_or_default(),
            group: record["dynamodb"]["Keys"].to_string(),
            at: at.unwrap_or_default(),
            size: record.to_string().len(),
            handle: String::new(),
            is_wanted: filters.is_empty() || filters.want(&record, None),
            record,
        }
    }
}

impl Stream for TableSource {
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
        _shard: &'a str,
        place: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Portion, SourceError>> {
        Box::pin(self.read(place, most))
    }

    fn grown(&self) -> Option<watch::Receiver<u64>> {
        self.errand.doors.peeks.get::<dyn StreamPeek>()?.grown(&self.errand.source_arn)
    }

    /// Behind the newest record that is there now.
    fn latest(&self, _shard: &str) -> Position {
        match self.grown() {
            Some(grown) => Position::After(shown_sequence(*grown.borrow())),
            None => Position::Horizon,
        }
    }
}

/// A record as functions and pipes get it.
fn record(one: &Record, source_arn: &str) -> Value {
    let mut record = haar_wire::to_json(one);
    record["eventSourceARN"] = json!(source_arn);
    record
}

#[cfg(test)]
mod tests {
    use haar_types::Timestamp;

    use super::*;
    use crate::{AttributeValue, OperationType, StreamRecord, StreamViewType};

    #[test]
    fn a_record_looks_as_aws_shows_it() {
        let number = AttributeValue { n: Some("101".to_owned()), ..AttributeValue::default() };
        let keys = Some([("Id".to_owned(), number)].into());
        let change = StreamRecord {
            approximate_creation_date_time: Some(Timestamp(1_479_499_740_000)),
            keys,
            sequence_number: Some("4421584500000000017450439091".to_owned()),
            size_bytes: Some(26),
            stream_view_type: Some(StreamViewType::KeysOnly),
            ..StreamRecord::default()
        };
        let one = Record {
            event_id: Some("c4ca".to_owned()),
            event_name: Some(OperationType::Insert),
            event_version: Some("1.1".to_owned()),
            event_source: Some("aws:dynamodb".to_owned()),
            aws_region: Some("us-east-2".to_owned()),
            dynamodb: Some(change),
            user_identity: None,
        };
        let arn = "arn:aws:dynamodb:us-east-2:123456789012:table/t/stream/2024-06-10T19:26:16.525";
        let mut shown = record(&one, arn);
        let at = shown["dynamodb"]["ApproximateCreationDateTime"].take();
        assert_eq!(at.as_f64(), Some(1_479_499_740.0));
        let expected = json!({
            "eventID": "c4ca",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-2",
            "dynamodb": {
                "ApproximateCreationDateTime": null,
                "Keys": { "Id": { "N": "101" } },
                "SequenceNumber": "4421584500000000017450439091",
                "SizeBytes": 26,
                "StreamViewType": "KEYS_ONLY"
            },
            "eventSourceARN": arn
        });
        assert_eq!(shown, expected);
    }
}
