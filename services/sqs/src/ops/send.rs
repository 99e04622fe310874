//! Sending.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Flow};
use haar_policy::Principal as Identity;
use haar_sqs_contract::{
    SendMessage, SendMessageBatch, SendMessageBatchRequest, SendMessageBatchRequestEntry,
    SendMessageBatchResult, SendMessageBatchResultEntry, SendMessageRequest, SendMessageResult,
};
use haar_wire::AwsError;

use crate::Sqs;
use crate::engine::{Content, Outgoing, Sent};
use crate::lookup::find;
use crate::refusal::broken;
use crate::rules::message::{self, TRACE_HEADER, Value};
use crate::rules::{batch, digest};
use crate::state::QueueRow;

/// What clients check their message by.
struct Digests {
    body: String,
    attributes: Option<String>,
    system: Option<String>,
}

/// A message that passed, its digests, and its bytes.
struct Passed {
    outgoing: Outgoing,
    digests: Digests,
    size: usize,
}

/// AWS docs: *Amazon SQS API Reference > SendMessage*.
impl Flow<SendMessage> for Sqs {
    async fn flow(self: Arc<Self>, call: Call, input: SendMessageRequest) -> Answer<SendMessage> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let Passed { outgoing, digests, size } = read(&call, &row, entry_of(input))?;
        message::check_size(size, row.settings.message_bytes_max)?;
        let queue = self.at_work(&row).await.map_err(broken)?;
        let sent = self.engine.send(&queue, vec![outgoing], call.now).map_err(broken)?;
        self.engine.sync().await.map_err(broken)?;
        self.note_sent(&call, &row, &[size]);
        let Some(sent) = sent.into_iter().next() else {
            return Err(AwsError::internal_failure("a message was sent and is not there"));
        };
        Ok(SendMessageResult {
            md5_of_message_body: Some(digests.body),
            md5_of_message_attributes: digests.attributes,
            md5_of_message_system_attributes: digests.system,
            sequence_number: sequence_number(&row, &sent),
            message_id: Some(sent.message_id),
        })
    }
}

/// AWS docs: *Amazon SQS API Reference > SendMessageBatch*.
impl Flow<SendMessageBatch> for Sqs {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: SendMessageBatchRequest,
    ) -> Answer<SendMessageBatch> {
        let row = find(&self.doors.ledger.snapshot(), &call, &input.queue_url)?;
        let ids = input.entries.iter().map(|entry| entry.id.as_str());
        batch::check(ids, "SendMessageBatchRequestEntry")?;
        let mut answer = SendMessageBatchResult::default();
        let (mut passed, mut bytes) = (Vec::new(), 0);
        for entry in input.entries {
            let id = entry.id.clone();
            match read(&call, &row, entry) {
                Ok(one) => {
                    bytes += one.size;
                    passed.push((id, one));
                }
                Err(error) => answer.failed.push(batch::failed(id, &error)),
            }
        }
        batch::check_bytes(bytes)?;
        let (mut outgoing, mut told, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for (id, one) in passed {
            match message::check_size(one.size, row.settings.message_bytes_max) {
                Ok(()) => {
                    outgoing.push(one.outgoing);
                    sizes.push(one.size);
                    told.push((id, one.digests));
                }
                Err(error) => answer.failed.push(batch::failed(id, &error)),
            }
        }
        let queue = self.at_work(&row).await.map_err(broken)?;
        let sent = self.engine.send(&queue, outgoing, call.now).map_err(broken)?;
        self.engine.sync().await.map_err(broken)?;
        self.note_sent(&call, &row, &sizes);
        let success =
            |((id, digests), sent): ((String, Digests), Sent)| SendMessageBatchResultEntry {
                id,
                md5_of_message_body: digests.body,
                md5_of_message_attributes: digests.attributes,
                md5_of_message_system_attributes: digests.system,
                sequence_number: sequence_number(&row, &sent),
                message_id: sent.message_id,
            };
        answer.successful = told.into_iter().zip(sent).map(success).collect();
        Ok(answer)
    }
}

impl Sqs {
    fn note_sent(&self, call: &Call, row: &QueueRow, sizes: &[usize]) {
        self.metrics.bill(row, call.now, sizes.iter().sum());
        for size in sizes {
            let values = [
                ("NumberOfMessagesSent", "Count", 1.0),
                ("SentMessageSize", "Bytes", *size as f64),
            ];
            self.metrics.add(row, call.now, &values);
        }
    }
}

fn entry_of(input: SendMessageRequest) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry {
        id: String::new(),
        message_body: input.message_body,
        delay_seconds: input.delay_seconds,
        message_attributes: input.message_attributes,
        message_system_attributes: input.message_system_attributes,
        message_deduplication_id: input.message_deduplication_id,
        message_group_id: input.message_group_id,
    }
}

/// Reads a message, whatever its size.
fn read(
    call: &Call,
    row: &QueueRow,
    entry: SendMessageBatchRequestEntry,
) -> Result<Passed, AwsError> {
    let settings = &row.settings;
    message::check_body(&entry.message_body)?;
    let attributes = message::attributes(entry.message_attributes)?;
    let system = message::system_attributes(entry.message_system_attributes)?;
    let by_content = settings.dedup_by_content;
    let (group, id) = (entry.message_group_id, entry.message_deduplication_id);
    let lane = message::lane(settings.is_fifo, by_content, group, id, &entry.message_body)?;
    let delay = message::delay(settings.is_fifo, entry.delay_seconds)?;
    let delay = Duration::from_secs(delay.unwrap_or(settings.delay_seconds).into());
    let digests = Digests {
        body: digest::of_body(&entry.message_body),
        attributes: digest::of_attributes(attributes.iter().map(|(name, it)| (name.as_str(), it))),
        system: digest::of_attributes(system.iter().map(|(name, it)| (name.as_str(), it))),
    };
    let trace = system.get(TRACE_HEADER).and_then(|it| match &it.value {
        Value::Text(text) => Some(text.clone()),
        Value::Binary(_) => None,
    });
    let trace = trace.or_else(|| call.trace.as_deref().map(str::to_owned));
    let size = message::size_of(&entry.message_body, &attributes);
    let dedup_key = lane.deduplication.as_ref().map(|id| match &lane.group {
        Some(group) if settings.dedup_by_group => format!("{group}\u{0}{id}"),
        _ => id.clone(),
    });
    let content = Content {
        message_id: call.ids.uuid(),
        body: entry.message_body,
        attributes,
        trace,
        sender: sender_id(call),
        deduplication: lane.deduplication,
        source_arn: None,
    };
    let group = lane.group.map(Arc::from);
    let outgoing = Outgoing { content, due_at: call.now + delay, group, dedup_key };
    Ok(Passed { outgoing, digests, size })
}

/// As `SenderId` shows who sent: an account, a user's id, or a role's id and session.
fn sender_id(call: &Call) -> String {
    match &call.principal.identity {
        Identity::User { id, .. }
        | Identity::RoleSession { id, .. }
        | Identity::Federated { id, .. } => id.clone(),
        Identity::Root { account } => account.to_string(),
        Identity::Service { .. } | Identity::IdentityProvider { .. } => call.account.to_string(),
        Identity::Anonymous => "*".to_owned(),
    }
}

/// Twenty digits, as AWS has them; standard queues have none.
pub(super) fn sequence_number(row: &QueueRow, sent: &Sent) -> Option<String> {
    row.settings.is_fifo.then(|| shown_sequence(sent.sequence))
}

/// A place in a queue as customers see it.
pub(super) fn shown_sequence(sequence: u64) -> String {
    const BASE: u64 = 10_000_000_000_000_000_000;
    format!("{}", BASE.saturating_add(sequence))
}
