//! Targets with a call for several events: those that were not taken are tried again.

use bytes::Bytes;
use haar_events_contract::model::{PutEvents, PutEventsRequest, PutEventsRequestEntry};
use haar_kinesis_contract::{PutRecords, PutRecordsInput, PutRecordsRequestEntry};
use haar_sns_contract::{PublishBatch, PublishBatchInput, PublishBatchRequestEntry};
use haar_sqs_contract::source::url_of;
use haar_sqs_contract::{SendMessageBatch, SendMessageBatchRequest, SendMessageBatchRequestEntry};
use haar_types::Timestamp;

use super::super::event::Shipped;
use super::super::failure::Failure;
use super::super::run::{Passed, Run, Stage};
use super::text;
use crate::rules::source::SourceKind;

impl Run<'_> {
    pub(super) async fn to_queue(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let entry = |(at, one): (usize, &Shipped)| SendMessageBatchRequestEntry {
            id: at.to_string(),
            message_body: one.text.clone(),
            message_group_id: text(&one.parameters, "MessageGroupId").map(str::to_owned),
            message_deduplication_id: text(&one.parameters, "MessageDeduplicationId")
                .map(str::to_owned),
            ..SendMessageBatchRequestEntry::default()
        };
        let arn = self.row.target.as_str();
        let entries = shipped.iter().enumerate().map(entry).collect();
        let input = SendMessageBatchRequest { queue_url: url_of(arn), entries };
        let answer = self.call::<SendMessageBatch>(Stage::Target, arn, input).await?;
        let failed = answer.failed.into_iter().filter_map(|failed| {
            Some((failed.id.parse().ok()?, failed.message.unwrap_or(failed.code)))
        });
        self.passed(shipped, &failed.collect::<Vec<_>>(), "sqs")
    }

    pub(super) async fn to_topic(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let entry = |(at, one): (usize, &Shipped)| PublishBatchRequestEntry {
            id: at.to_string(),
            message: one.text.clone(),
            ..PublishBatchRequestEntry::default()
        };
        let arn = self.row.target.as_str();
        let input = PublishBatchInput {
            topic_arn: arn.to_owned(),
            publish_batch_request_entries: shipped.iter().enumerate().map(entry).collect(),
        };
        let answer = self.call::<PublishBatch>(Stage::Target, arn, input).await?;
        let failed = answer.failed.unwrap_or_default().into_iter().filter_map(|failed| {
            Some((failed.id.parse().ok()?, failed.message.unwrap_or(failed.code)))
        });
        self.passed(shipped, &failed.collect::<Vec<_>>(), "sns")
    }

    pub(super) async fn to_stream(&self, shipped: &[Shipped]) -> Result<Passed, Failure> {
        let entry = |one: &Shipped| PutRecordsRequestEntry {
            data: Bytes::from(one.text.clone()),
            partition_key: text(&one.parameters, "PartitionKey").unwrap_or_default().to_owned(),
            ..PutRecordsRequestEntry::default()
        };
        let arn = self.row.target.as_str();
        let input = PutRecordsInput {
            records: shipped.iter().map(entry).collect(),
            stream_arn: Some(arn.to_owned()),
            ..PutRecordsInput::default()
        };
        let answer = self.call::<PutRecords>(Stage::Target, arn, input).await?;
        let failed = answer.records.into_iter().enumerate().filter_map(|(at, record)| {
            let code = record.error_code?;
            Some((at, record.error_message.unwrap_or(code)))
        });
        self.passed(shipped, &failed.collect::<Vec<_>>(), "kinesis")
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
            PutEventsRequestEntry {
                time: text(given, "Time").and_then(time),
                source: Some(text(given, "Source").map_or(format!("Pipe {pipe}"), str::to_owned)),
                resources: Some(resources).filter(|all| !all.is_empty()),
                detail_type: Some(text(given, "DetailType").unwrap_or(of_source).to_owned()),
                detail: Some(one.text.clone()),
                event_bus_name: Some(arn.to_owned()),
                ..PutEventsRequestEntry::default()
            }
        };
        let entries = shipped.iter().map(entry).collect();
        let input = PutEventsRequest { entries, ..PutEventsRequest::default() };
        let answer = self.call::<PutEvents>(Stage::Target, arn, input).await?;
        let entries = answer.entries.unwrap_or_default().into_iter().enumerate();
        let failed = entries.filter_map(|(at, entry)| {
            let code = entry.error_code?;
            Some((at, entry.error_message.unwrap_or(code)))
        });
        self.passed(shipped, &failed.collect::<Vec<_>>(), "events")
    }
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
