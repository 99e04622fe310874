//! Receiving.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Flow};
use haar_ledger::Snapshot;
use haar_sqs_contract::{
    Message, MessageAttributeValue, ReceiveMessage, ReceiveMessageRequest, ReceiveMessageResult,
};
use haar_wire::AwsError;

use super::send::shown_sequence;
use crate::Sqs;
use crate::engine::{Content, Dead, Delivered, Take};
use crate::lookup::find;
use crate::refusal::{broken, invalid_value, no_queue, over_limit, unknown_attribute, wrong_type};
use crate::rules::digest;
use crate::rules::message::{Attribute, TRACE_HEADER, Value, check_id};
use crate::rules::receipt::Receipt;
use crate::state::{QueueKey, QueueRow};

/// Most messages of one queue that consumers may have at a time.
const IN_FLIGHT_MAX: usize = 120_000;

/// What AWS calls system attributes of messages.
const SYSTEM_NAMES: &[&str] = &[
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    TRACE_HEADER,
    "DeadLetterQueueSourceArn",
];

/// AWS docs: *Amazon SQS API Reference > ReceiveMessage*.
impl Flow<ReceiveMessage> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ReceiveMessageRequest,
    ) -> Answer<ReceiveMessage> {
        let snapshot = self.doors.ledger.snapshot();
        let row = find(&snapshot, &call, &input.queue_url)?;
        let wanted = Wanted::read(&input)?;
        let (take, wait) = self.read_take(&snapshot, &row, &input)?;
        drop(snapshot); // a long poll must not keep old state
        let queue = self.at_work(&row).await.map_err(broken)?;
        self.expire(&row, &queue, call.now).await.map_err(broken)?;
        let until = self.doors.clock.moment().after(wait);
        let taken = self.engine.receive(&queue, &take, until).await.map_err(broken)?;
        if queue.is_closed() {
            return Err(no_queue());
        }
        let taken = taken.map_err(|_| over_limit("Too many messages in flight"))?;
        let (mut messages, mut bytes) = (Vec::with_capacity(taken.len()), 0);
        for delivered in taken {
            let content = self.engine.content(&queue, delivered.sequence).map_err(broken)?;
            let Some(content) = content else { continue }; // deleted meanwhile
            bytes += content.body.len();
            messages.push(wanted.message(&row, &delivered, content));
        }
        self.note_received(&row, messages.len(), bytes);
        let messages = Some(messages).filter(|messages| !messages.is_empty());
        Ok(ReceiveMessageResult { messages })
    }
}

impl Sqs {
    fn read_take(
        &self,
        snapshot: &Snapshot,
        row: &QueueRow,
        input: &ReceiveMessageRequest,
    ) -> Result<(Take, Duration), AwsError> {
        let settings = &row.settings;
        let reason = "Must be between 1 and 10, if provided.";
        let count = bounded(input.max_number_of_messages, "MaxNumberOfMessages", (1, 10), reason)?;
        let reason = "Must be >= 0 and <= 43200, if provided.";
        let seen = bounded(input.visibility_timeout, "VisibilityTimeout", (0, 43_200), reason)?;
        let reason = "Must be >= 0 and <= 20, if provided.";
        let wait = bounded(input.wait_time_seconds, "WaitTimeSeconds", (0, 20), reason)?;
        if let Some(id) = &input.receive_request_attempt_id {
            check_id(id, "ReceiveRequestAttemptId")?;
            if !settings.is_fifo {
                return Err(wrong_type(id, "ReceiveRequestAttemptId"));
            }
        }
        let visibility = seen.unwrap_or(settings.visibility_seconds);
        let take = Take {
            count_max: count.unwrap_or(1) as usize,
            visibility: Duration::from_secs(visibility.into()),
            in_flight_max: IN_FLIGHT_MAX,
            dead: self.dead_of(snapshot, row),
            attempt: input.receive_request_attempt_id.clone(),
        };
        let wait = Duration::from_secs(wait.unwrap_or(settings.wait_seconds).into());
        Ok((take, wait))
    }

    /// Where a queue's dead letters go; nowhere, where that queue is gone.
    fn dead_of(&self, snapshot: &Snapshot, row: &QueueRow) -> Option<Dead> {
        let (_, redrive) = row.settings.redrive.as_ref()?;
        let target = snapshot.get::<QueueRow>(&QueueKey::of_arn(&redrive.target_arn)?)?;
        let fits = target.id != row.id && target.settings.is_fifo == row.settings.is_fifo;
        fits.then(|| Dead {
            receives_max: redrive.receives_max,
            target: self.queue(&target),
            source_arn: row.key.arn(),
        })
    }

    fn note_received(&self, row: &QueueRow, count: usize, bytes: usize) {
        let now = self.doors.clock.now();
        self.metrics.bill(row, now, bytes);
        match count {
            0 => self.metrics.add(row, now, &[("NumberOfEmptyReceives", "Count", 1.0)]),
            _ => {
                let value = ("NumberOfMessagesReceived", "Count", count as f64);
                self.metrics.add(row, now, &[value]);
            }
        }
    }
}

fn bounded(
    given: Option<i32>,
    name: &str,
    (least, most): (i32, i32),
    reason: &str,
) -> Result<Option<u32>, AwsError> {
    match given {
        Some(value) if !(least..=most).contains(&value) => {
            Err(invalid_value(value.to_string(), name, reason))
        }
        given => Ok(given.and_then(|value| u32::try_from(value).ok())),
    }
}

/// Which attributes a receiver wants to see.
struct Wanted {
    system: Vec<String>,
    user: Vec<String>,
}

impl Wanted {
    fn read(input: &ReceiveMessageRequest) -> Result<Self, AwsError> {
        let old = input.attribute_names.iter().flatten();
        let new = input.message_system_attribute_names.iter().flatten();
        let system: Vec<String> = old.chain(new).cloned().collect();
        if let Some(unknown) = system.iter().find(|name| !SYSTEM_NAMES.contains(&name.as_str())) {
            return Err(unknown_attribute(unknown));
        }
        Ok(Self { system, user: input.message_attribute_names.clone().unwrap_or_default() })
    }

    fn message(&self, row: &QueueRow, delivered: &Delivered, content: Content) -> Message {
        let Delivered { sequence, record } = delivered;
        let receipt = Receipt { queue: row.id, sequence: *sequence, delivery: record.delivery };
        let attributes = self.system_attributes(row, delivered, &content);
        let mut user = content.attributes;
        user.retain(|name, _| self.wants(name));
        let md5 = digest::of_attributes(user.iter().map(|(name, it)| (name.as_str(), it)));
        let user: BTreeMap<String, MessageAttributeValue> =
            user.into_iter().map(|(name, attribute)| (name, shown(attribute))).collect();
        Message {
            message_id: Some(content.message_id),
            receipt_handle: Some(receipt.handle()),
            md5_of_body: Some(digest::of_body(&content.body)),
            body: Some(content.body),
            attributes: Some(attributes).filter(|all| !all.is_empty()),
            md5_of_message_attributes: md5,
            message_attributes: Some(user).filter(|all| !all.is_empty()),
        }
    }

    /// A message attribute by name, by `All`, or by what it begins with: `prefix.*`.
    fn wants(&self, name: &str) -> bool {
        self.user.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => wanted == "All" || wanted == name,
        })
    }

    fn system_attributes(
        &self,
        row: &QueueRow,
        delivered: &Delivered,
        content: &Content,
    ) -> BTreeMap<String, String> {
        let record = &delivered.record;
        let sequence = row.settings.is_fifo.then(|| shown_sequence(delivered.sequence));
        let first = Some(record.first_received_at.0.to_string());
        let all = [
            ("SenderId", Some(content.sender.clone())),
            ("SentTimestamp", Some(record.sent_at.0.to_string())),
            ("ApproximateReceiveCount", Some(record.receive_count.to_string())),
            ("ApproximateFirstReceiveTimestamp", first),
            ("SequenceNumber", sequence),
            ("MessageDeduplicationId", content.deduplication.clone()),
            ("MessageGroupId", record.group.as_ref().map(|group| group.to_string())),
            (TRACE_HEADER, content.trace.clone()),
            ("DeadLetterQueueSourceArn", content.source_arn.clone()),
        ];
        let wanted = |name: &str| self.system.iter().any(|it| it == "All" || it == name);
        let there = all.into_iter().filter(|(name, _)| wanted(name));
        there.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

fn shown(attribute: Attribute) -> MessageAttributeValue {
    let (string_value, binary_value) = match attribute.value {
        Value::Text(text) => (Some(text), None),
        Value::Binary(bytes) => (None, Some(bytes)),
    };
    MessageAttributeValue {
        data_type: attribute.data_type,
        string_value,
        binary_value,
        ..MessageAttributeValue::default()
    }
}
