//! Queues as sources of pollers: of event source mappings, and of pipes. AWS docs: *Using Lambda
//! with Amazon SQS*, *Amazon SQS as a source*.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use haar_poller::{Errand, Item, Queue, SourceError};
use haar_types::{Arn, Timestamp};
use serde_json::{Value, json};

use crate::{
    DeleteMessageBatch, DeleteMessageBatchRequest, DeleteMessageBatchRequestEntry,
    GetQueueAttributes, GetQueueAttributesRequest, Message, MessageAttributeValue, ReceiveMessage,
    ReceiveMessageRequest,
};

/// Messages of one call.
const CALL_MAX: usize = 10;
/// What is taken for a queue's visibility timeout where it is not told: SQS's default.
const VISIBILITY: Duration = Duration::from_secs(30);

/// A queue that is polled.
pub struct QueueSource {
    errand: Errand,
    url: String,
}

impl QueueSource {
    /// The queue that an errand names.
    pub fn new(errand: Errand) -> Self {
        let url = url_of(&errand.source_arn);
        Self { errand, url }
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Item>, SourceError> {
        let all = || Some(vec!["All".to_owned()]);
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let input = ReceiveMessageRequest {
            queue_url: self.url.clone(),
            max_number_of_messages: i32::try_from(most.min(CALL_MAX)).ok(),
            wait_time_seconds: i32::try_from(seconds).ok(),
            message_system_attribute_names: all(),
            message_attribute_names: all(),
            ..ReceiveMessageRequest::default()
        };
        let received = self.errand.call::<ReceiveMessage>(input).await?;
        let region = self.errand.region();
        let of = |message| self.item(message, region.as_str());
        Ok(received.messages.unwrap_or_default().into_iter().map(of).collect())
    }

    fn item(&self, message: Message, region: &str) -> Item {
        let attribute = |name: &str| message.attributes.as_ref()?.get(name).cloned();
        let sent = attribute("SentTimestamp").and_then(|text| text.parse().ok()).unwrap_or(0);
        let group = attribute("MessageGroupId").unwrap_or_default();
        let (id, handle) = (message.message_id.clone(), message.receipt_handle.clone());
        let record = record(message, &self.errand.source_arn, region);
        let filters = &self.errand.filters;
        Item {
            is_wanted: filters.is_empty() || filters.want(&record, Some("body")),
            id: id.unwrap_or_default(),
            size: record.to_string().len(),
            record,
            group,
            at: Timestamp(sent),
            handle: handle.unwrap_or_default(),
        }
    }

    async fn delete(&self, items: &[Item]) -> Result<(), SourceError> {
        for chunk in items.chunks(CALL_MAX) {
            let entry = |(index, item): (usize, &Item)| DeleteMessageBatchRequestEntry {
                id: index.to_string(),
                receipt_handle: item.handle.clone(),
            };
            let input = DeleteMessageBatchRequest {
                queue_url: self.url.clone(),
                entries: chunk.iter().enumerate().map(entry).collect(),
            };
            let deleted = self.errand.call::<DeleteMessageBatch>(input).await?;
            if let Some(failed) = deleted.failed.first() {
                let reason = failed.message.clone().unwrap_or_else(|| failed.code.clone());
                tracing::warn!(%reason, "a message was not deleted; it comes again");
            }
        }
        Ok(())
    }

    async fn visibility(&self) -> Duration {
        let input = GetQueueAttributesRequest {
            queue_url: self.url.clone(),
            attribute_names: Some(vec!["VisibilityTimeout".to_owned()]),
        };
        let told = self.errand.call::<GetQueueAttributes>(input).await.ok();
        let seconds = told.and_then(|told| told.attributes?.get("VisibilityTimeout")?.parse().ok());
        seconds.map_or(VISIBILITY, Duration::from_secs)
    }
}

impl Queue for QueueSource {
    fn receive(
        &self,
        most: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Item>, SourceError>> {
        Box::pin(self.receive(most, wait))
    }

    fn delete<'a>(&'a self, items: &'a [Item]) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.delete(items))
    }

    fn keeps_order(&self) -> bool {
        self.errand.source_arn.ends_with(".fifo")
    }

    fn visibility(&self) -> BoxFuture<'_, Duration> {
        Box::pin(self.visibility())
    }
}

/// The address of the queue that an ARN names.
pub fn url_of(arn: &str) -> String {
    let arn = Arn::try_from(arn.to_owned()).ok();
    let parts = arn.as_ref().map(|arn| (arn.account(), arn.resource())).unwrap_or_default();
    format!("http://localhost/{}/{}", parts.0, parts.1)
}

/// A message as functions and pipes get it.
fn record(message: Message, source_arn: &str, region: &str) -> Value {
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": message.attributes.unwrap_or_default(),
        "messageAttributes": {},
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": region,
    });
    if let Some(md5) = message.md5_of_message_attributes {
        record["md5OfMessageAttributes"] = json!(md5);
    }
    for (name, value) in message.message_attributes.unwrap_or_default() {
        record["messageAttributes"][name] = attribute(value);
    }
    record
}

fn attribute(value: MessageAttributeValue) -> Value {
    let mut shown = json!({});
    if let Some(text) = value.string_value {
        shown["stringValue"] = json!(text);
    }
    if let Some(bytes) = value.binary_value {
        shown["binaryValue"] = json!(STANDARD.encode(bytes));
    }
    shown["stringListValues"] = json!([]);
    shown["binaryListValues"] = json!([]);
    shown["dataType"] = json!(value.data_type);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_looks_as_aws_shows_it() {
        let text = |text: &str| Some(text.to_owned());
        let attributes = [("ApproximateReceiveCount", "1"), ("SentTimestamp", "1545082649183")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mine = MessageAttributeValue {
            string_value: text("2"),
            data_type: "Number".to_owned(),
            ..MessageAttributeValue::default()
        };
        let message = Message {
            message_id: text("059f36b4-87a3-44ab-83d2-661975830a7d"),
            receipt_handle: text("AQEB"),
            md5_of_body: text("098f6bcd"),
            body: text("Test message."),
            attributes: Some(attributes.into()),
            md5_of_message_attributes: text("abc"),
            message_attributes: Some([("n".to_owned(), mine)].into()),
        };
        let arn = "arn:aws:sqs:us-east-2:123456789012:my-queue";
        let expected = json!({
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEB",
            "body": "Test message.",
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183" },
            "messageAttributes": {
                "n": {
                    "stringValue": "2",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "Number"
                }
            },
            "md5OfBody": "098f6bcd",
            "md5OfMessageAttributes": "abc",
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "us-east-2"
        });
        assert_eq!(record(message, arn, "us-east-2"), expected);
        assert_eq!(url_of(arn), "http://localhost/123456789012/my-queue");
    }
}
