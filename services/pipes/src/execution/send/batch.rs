//! Targets with a call for several events: those that were not taken are tried again.
//!
//! Bytes of a call are those that AWS docs name: *SendMessageBatch*, *PublishBatch*, *PutRecords*,
//! *PutEvents*.

use bytes::Bytes;
use haar_events_contract::model::{PutEvents, PutEventsRequest, PutEventsRequestEntry};
use haar_kinesis_contract::{PutRecords, PutRecordsInput, PutRecordsRequestEntry};
use haar_sns_contract::{PublishBatch, PublishBatchInput, PublishBatchRequestEntry};
use haar_sqs_contract::source::url_of;
use haar_sqs_contract::{
    BatchResultErrorEntry, SendMessageBatch, SendMessageBatchRequest, SendMessageBatchRequestEntry,
};
use haar_types::Timestamp;

use super::super::event::Shipped;
use super::super::failure::Failure;
use super::super::run::{Passed, Run};
use super::calls::Left;
use super::text;
use crate::rules::source::SourceKind;

/// Bytes of one call.
const QUEUE_BYTES_MAX: usize = 1 << 20;
const TOPIC_BYTES_MAX: usize = 256 << 10;
const STREAM_BYTES_MAX: usize = 10 << 20;
const BUS_BYTES_MAX: usize = 1 << 20;

impl Run<'_> {
    pub(super) async fn to_queue(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let entry = |(at, one): (usize, &Shipped)| {
            let entry = SendMessageBatchRequestEntry {
                id: at.to_string(),
                message_body: one.text.clone(),
                message_group_id: text(&one.parameters, "MessageGroupId").map(str::to_owned),
                message_deduplication_id: text(&one.parameters, "MessageDeduplicationId")
                    .map(str::to_owned),
                ..SendMessageBatchRequestEntry::default()
            };
            (one.text.len(), entry)
        };
        let entries = shipped.iter().enumerate().map(entry).collect();
        let url = url_of(&self.row.target);
        let input = |entries| SendMessageBatchRequest { queue_url: url.clone(), entries };
        self.by_calls::<SendMessageBatch, _>(
            shipped,
            entries,
            QUEUE_BYTES_MAX,
            input,
            |answer, _| {
                let place = |failed: BatchResultErrorEntry| {
                    Some((failed.id.parse().ok()?, failed.message.unwrap_or(failed.code)))
                };
                answer.failed.into_iter().filter_map(place).collect()
            },
        )
        .await
    }

    pub(super) async fn to_topic(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let entry = |(at, one): (usize, &Shipped)| {
            let entry = PublishBatchRequestEntry {
                id: at.to_string(),
                message: one.text.clone(),
                ..PublishBatchRequestEntry::default()
            };
            (one.text.len(), entry)
        };
        let entries = shipped.iter().enumerate().map(entry).collect();
        let input = |publish_batch_request_entries| PublishBatchInput {
            topic_arn: self.row.target.clone(),
            publish_batch_request_entries,
        };
        self.by_calls::<PublishBatch, _>(shipped, entries, TOPIC_BYTES_MAX, input, |answer, _| {
            let failed = answer.failed.unwrap_or_default().into_iter();
            let places = failed.filter_map(|failed| {
                Some((failed.id.parse().ok()?, failed.message.unwrap_or(failed.code)))
            });
            places.collect()
        })
        .await
    }

    pub(super) async fn to_stream(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let entry = |one: &Shipped| {
            let key = text(&one.parameters, "PartitionKey").unwrap_or_default();
            let entry = PutRecordsRequestEntry {
                data: Bytes::from(one.text.clone()),
                partition_key: key.to_owned(),
                ..PutRecordsRequestEntry::default()
            };
            (one.text.len() + key.len(), entry)
        };
        let entries = shipped.iter().map(entry).collect();
        let input = |records| PutRecordsInput {
            records,
            stream_arn: Some(self.row.target.clone()),
            ..PutRecordsInput::default()
        };
        self.by_calls::<PutRecords, _>(
            shipped,
            entries,
            STREAM_BYTES_MAX,
            input,
            |answer, first| {
                let told = answer.records.into_iter();
                let told = told.map(|record| (record.error_code, record.error_message));
                left_of(told, first)
            },
        )
        .await
    }

    /// Each event is the detail of one; without parameters it comes from `Pipe NAME`.
    pub(super) async fn to_bus(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let (arn, pipe) = (self.row.target.as_str(), self.row.key.name.as_str());
        let of_source = match self.kind {
            SourceKind::Queue | SourceKind::FifoQueue => "Event from aws:sqs",
            SourceKind::Kinesis => "Event from aws:kinesis",
            SourceKind::DynamoDb => "Event from aws:dynamodb",
        };
        let entry = |one: &Shipped| {
            let given = &one.parameters;
            let resources = given["Resources"].as_array().into_iter().flatten();
            let resources: Vec<String> =
                resources.filter_map(|one| one.as_str().map(str::to_owned)).collect();
            let entry = PutEventsRequestEntry {
                time: text(given, "Time").and_then(time),
                source: Some(text(given, "Source").map_or(format!("Pipe {pipe}"), str::to_owned)),
                resources: Some(resources).filter(|all| !all.is_empty()),
                detail_type: Some(text(given, "DetailType").unwrap_or(of_source).to_owned()),
                detail: Some(one.text.clone()),
                event_bus_name: Some(arn.to_owned()),
                ..PutEventsRequestEntry::default()
            };
            (size(&entry), entry)
        };
        let entries = shipped.iter().map(entry).collect();
        let input = |entries| PutEventsRequest { entries, ..PutEventsRequest::default() };
        self.by_calls::<PutEvents, _>(shipped, entries, BUS_BYTES_MAX, input, |answer, first| {
            let told = answer.entries.unwrap_or_default().into_iter();
            let told = told.map(|entry| (entry.error_code, entry.error_message));
            left_of(told, first)
        })
        .await
    }
}

/// Places of the entries that an answer tells an error of, the first of which has that place.
fn left_of(told: impl Iterator<Item = (Option<String>, Option<String>)>, first: usize) -> Left {
    let place = |(at, (code, message)): (usize, (Option<String>, Option<String>))| {
        let code = code?;
        Some((first + at, message.unwrap_or(code)))
    };
    told.enumerate().filter_map(place).collect()
}

/// Bytes that an entry counts. AWS docs: *Calculating PutEvents event entry size*.
fn size(entry: &PutEventsRequestEntry) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let resources = entry.resources.iter().flatten().map(String::len).sum::<usize>();
    let time = if entry.time.is_some() { 14 } else { 0 };
    time + length(&entry.source) + length(&entry.detail_type) + length(&entry.detail) + resources
}

/// A time of an event: seconds or milliseconds since 1970, or ISO 8601.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    /// Seconds of the year 5138; what is larger counts milliseconds. *Ours*.
    const SECONDS_MAX: f64 = 1e11;
    if let Ok(number) = text.parse::<f64>() {
        let millis = if number.abs() < SECONDS_MAX { number * 1000.0 } else { number };
        return Some(Timestamp(millis as i64));
    }
    let time = text.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_numbers_and_as_iso() {
        let at = Timestamp(1_769_851_800_000);
        for text in ["1769851800", "1769851800000", "2026-01-31T09:30:00Z"] {
            assert_eq!(time(text), Some(at), "{text}");
        }
        assert_eq!(time("tomorrow"), None);
    }
}
