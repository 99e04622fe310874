//! Publishing.

use std::sync::Arc;

use haar_courier::Lane;
use haar_kernel::{Answer, Call, Flow};
use haar_sns_contract::{
    EndpointDisabledException, Publish, PublishBatch, PublishBatchInput, PublishBatchRequestEntry,
    PublishBatchResponse, PublishBatchResultEntry, PublishInput, PublishResponse,
};
use haar_wire::AwsError;

use crate::Sns;
use crate::lookup::find_topic;
use crate::publish::What;
use crate::refusal::{broken, invalid, not_found};
use crate::rules::batch;
use crate::rules::message::Message;
use crate::rules::subscriber::is_phone_number;
use crate::state::{EndpointRow, OptedOutRow, TopicKey};

/// AWS docs: *Amazon SNS API Reference > Publish*.
impl Flow<Publish> for Sns {
    async fn flow(self: Arc<Self>, call: Call, input: PublishInput) -> Answer<Publish> {
        let PublishInput { topic_arn, target_arn, phone_number, .. } = &input;
        let (topic, target, phone) = (topic_arn.clone(), target_arn.clone(), phone_number.clone());
        let given = [&topic, &target, &phone].iter().filter(|it| it.is_some()).count();
        if given == 0 {
            let text = "TopicArn or TargetArn Reason: no value for required parameter";
            return Err(invalid(text));
        }
        if given > 1 {
            return Err(invalid("TopicArn or TargetArn Reason: only one of them may be given"));
        }
        let mut message = Message::read(call.ids.uuid(), entry_of(input))?;
        if let Some(number) = phone {
            return self.to_phone(&call, number, message).await;
        }
        let arn = topic.or(target).unwrap_or_default();
        if arn.contains(":endpoint/") {
            return self.to_device(&call, arn, message).await;
        }
        let topic = find_topic(&self.doors.ledger.snapshot(), &arn)?;
        message.order(topic.settings.is_fifo, topic.settings.dedup_by_content)?;
        let accepted = self.accept(&call, &topic, message)?;
        self.doors.kv.sync().await.map_err(broken)?;
        Ok(PublishResponse {
            message_id: Some(accepted.message_id),
            sequence_number: accepted.sequence_number,
        })
    }
}

fn entry_of(input: PublishInput) -> PublishBatchRequestEntry {
    PublishBatchRequestEntry {
        id: String::new(),
        message: input.message,
        subject: input.subject,
        message_structure: input.message_structure,
        message_attributes: input.message_attributes,
        message_deduplication_id: input.message_deduplication_id,
        message_group_id: input.message_group_id,
    }
}

impl Sns {
    async fn to_phone(&self, call: &Call, number: String, message: Message) -> Answer<Publish> {
        if !is_phone_number(&number) {
            return Err(invalid(format!(
                "PhoneNumber Reason: {number} is not valid to publish to"
            )));
        }
        let key = (call.account.clone(), call.region.clone(), number.clone());
        let wants_none = self.doors.ledger.snapshot().contains::<OptedOutRow>(&key);
        let message_id = Some(message.message_id.clone());
        if !wants_none {
            self.send_direct(call, "sms", number, message).await?;
        }
        Ok(PublishResponse { message_id, sequence_number: None })
    }

    async fn to_device(&self, call: &Call, arn: String, message: Message) -> Answer<Publish> {
        let row = self.doors.ledger.snapshot().get::<EndpointRow>(&arn);
        let row = row.ok_or_else(|| not_found("No endpoint found for the target arn specified"))?;
        if row.attributes.get("Enabled").is_none_or(|it| it != "true") {
            return Err(EndpointDisabledException::message("Endpoint is disabled").into());
        }
        let message_id = Some(message.message_id.clone());
        self.send_direct(call, "application", arn, message).await?;
        Ok(PublishResponse { message_id, sequence_number: None })
    }

    pub(super) async fn send_direct(
        &self,
        call: &Call,
        protocol: &str,
        endpoint: String,
        message: Message,
    ) -> Result<(), AwsError> {
        let owner = TopicKey {
            account: call.account.clone(),
            region: call.region.clone(),
            name: String::new(),
        };
        let lane = Lane::Shared(format!("{protocol} {endpoint}"));
        let (protocol, message) = (protocol.to_owned(), Arc::new(message));
        self.send(call, lane, What::Direct { owner, protocol, endpoint, message }).await
    }
}

/// AWS docs: *Amazon SNS API Reference > PublishBatch*.
impl Flow<PublishBatch> for Sns {
    async fn flow(self: Arc<Self>, call: Call, input: PublishBatchInput) -> Answer<PublishBatch> {
        let topic = find_topic(&self.doors.ledger.snapshot(), &input.topic_arn)?;
        let entries = input.publish_batch_request_entries;
        batch::check(entries.iter().map(|entry| entry.id.as_str()))?;
        let (mut passed, mut failed, mut bytes) = (Vec::new(), Vec::new(), 0);
        let settings = &topic.settings;
        for entry in entries {
            let id = entry.id.clone();
            let read = Message::read(call.ids.uuid(), entry).and_then(|mut message| {
                message.order(settings.is_fifo, settings.dedup_by_content)?;
                Ok(message)
            });
            match read {
                Ok(message) => {
                    bytes += message.size();
                    passed.push((id, message));
                }
                Err(error) => failed.push(batch::failed(id, &error)),
            }
        }
        batch::check_bytes(bytes)?;
        let mut successful = Vec::new();
        for (id, message) in passed {
            match self.accept(&call, &topic, message) {
                Ok(accepted) => successful.push(PublishBatchResultEntry {
                    id: Some(id),
                    message_id: Some(accepted.message_id),
                    sequence_number: accepted.sequence_number,
                }),
                Err(error) => failed.push(batch::failed(id, &error)),
            }
        }
        self.doors.kv.sync().await.map_err(broken)?;
        Ok(PublishBatchResponse { successful: Some(successful), failed: Some(failed) })
    }
}
