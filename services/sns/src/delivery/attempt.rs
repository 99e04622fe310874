//! One attempt at one delivery, by protocol.

use std::collections::BTreeMap;

use bytes::Bytes;
use haar_courier::Verdict;
use haar_kernel::targets::{Consignment, Undelivered};
use haar_sqs_contract::{MessageAttributeValue, SendMessage, SendMessageRequest};
use haar_types::Arn;
use serde_json::json;

use super::http::Post;
use super::sender_of;
use crate::Sns;
use crate::publish::{Delivery, What};
use crate::rules::delivery_policy::{self, CONTENT_TYPE};
use crate::rules::envelope::{self, About};
use crate::rules::message::{Attribute, Message};
use crate::signing::{Signature, Version};
use crate::state::{EndpointRow, SubscriptionRow, TopicKey, TopicRow};

/// What is sent, made ready.
pub(crate) struct Prepared {
    /// The text or the document.
    pub(crate) body: String,
    topic: TopicKey,
    topic_arn: String,
    subscription_arn: String,
    message_id: String,
    kind: &'static str,
    /// The topic's.
    delivery_policy: Option<String>,
    /// When it was published.
    at: haar_types::Timestamp,
}

impl Sns {
    /// A message, as its subscription's protocol has it.
    pub(super) async fn prepare_notification(
        &self,
        delivery: &Delivery,
        (row, topic): (&SubscriptionRow, &TopicRow),
        message: &Message,
        sequence_number: Option<&str>,
    ) -> Result<Prepared, Undelivered> {
        let mut prepared = Prepared::empty(delivery, row, topic, &message.message_id);
        let text = message.text_for(&row.protocol);
        let is_function = row.protocol == "lambda";
        let is_document = matches!(row.protocol.as_str(), "sqs" | "http" | "https" | "email-json");
        if !is_function && (!is_document || row.choices.raw) {
            text.clone_into(&mut prepared.body);
            return Ok(prepared);
        }
        let about = prepared.about(delivery, sequence_number);
        let signature = match topic.settings.is_fifo {
            true => None,
            false => {
                Some(self.sign(topic, envelope::signed_notification(&about, message, text)).await?)
            }
        };
        let about = About { signature: signature.as_ref(), ..about };
        let body = match is_function {
            true => envelope::function_event(&about, message, text).to_string(),
            false => envelope::notification(&about, message, text),
        };
        prepared.body = body;
        Ok(prepared)
    }

    /// The question whether an endpoint wants to be subscribed.
    pub(super) async fn prepare_confirmation(
        &self,
        delivery: &Delivery,
        (row, topic): (&SubscriptionRow, &TopicRow),
        message_id: &str,
        token: &str,
    ) -> Result<Prepared, Undelivered> {
        let mut prepared = Prepared::empty(delivery, row, topic, message_id);
        let about = prepared.about(delivery, None);
        let text = envelope::signed_confirmation(&about, message_id, token);
        let signature = self.sign(topic, text).await?;
        let about = About { signature: Some(&signature), ..about };
        let body = envelope::confirmation(&about, message_id, token);
        prepared.body = body;
        prepared.kind = "SubscriptionConfirmation";
        Ok(prepared)
    }

    async fn sign(&self, topic: &TopicRow, text: String) -> Result<Signature, Undelivered> {
        let version = Version::of(topic.settings.signature_version.as_deref());
        let signed = self.signer.sign(version, text).await;
        signed.map_err(|error| transient("InternalError", &error.to_string()))
    }
}

impl Prepared {
    fn empty(
        delivery: &Delivery,
        row: &SubscriptionRow,
        topic: &TopicRow,
        message_id: &str,
    ) -> Self {
        Self {
            body: String::new(),
            topic: topic.key.clone(),
            topic_arn: topic.key.arn(),
            subscription_arn: row.key.arn(),
            message_id: message_id.to_owned(),
            kind: "Notification",
            delivery_policy: topic.settings.delivery_policy.clone(),
            at: delivery.at,
        }
    }

    fn about<'a>(&'a self, delivery: &'a Delivery, sequence_number: Option<&'a str>) -> About<'a> {
        let is_replayed = matches!(delivery.what, What::Notification { is_replayed: true, .. });
        About {
            is_replayed,
            endpoint: &delivery.endpoint,
            topic_arn: &self.topic_arn,
            subscription_arn: &self.subscription_arn,
            at: delivery.at,
            sequence_number,
            signature: None,
        }
    }
}

impl Sns {
    pub(super) async fn attempt(
        &self,
        prepared: &Prepared,
        row: &SubscriptionRow,
        message: &Message,
    ) -> Result<(), Undelivered> {
        match row.protocol.as_str() {
            "sqs" => self.to_queue(prepared, row, Some(message)).await,
            "lambda" => self.to_function(prepared, row).await,
            "http" | "https" => self.to_url(prepared, row).await,
            _ => self.to_outbox(prepared, row, message.subject.as_deref()),
        }
    }

    pub(super) async fn attempt_confirmation(
        &self,
        prepared: &Prepared,
        row: &SubscriptionRow,
    ) -> Result<(), Undelivered> {
        match row.protocol.as_str() {
            "http" | "https" => self.to_url(prepared, row).await,
            "sqs" => self.to_queue(prepared, row, None).await,
            _ => {
                let subject = Some("AWS Notification - Subscription Confirmation");
                self.to_outbox(prepared, row, subject)
            }
        }
    }

    async fn to_queue(
        &self,
        prepared: &Prepared,
        row: &SubscriptionRow,
        message: Option<&Message>,
    ) -> Result<(), Undelivered> {
        let arn: Option<Arn> = row.endpoint.parse().ok();
        let Some(arn) = arn else { return Err(lasting("InvalidParameter", "no queue's ARN")) };
        let region = arn.region().parse().unwrap_or_else(|_| prepared.topic.region.clone());
        let is_fifo = arn.resource().ends_with(".fifo");
        let raw = message.filter(|_| row.choices.raw);
        let attributes: BTreeMap<_, _> =
            raw.map(|it| it.attributes.iter().map(queue_attribute).collect()).unwrap_or_default();
        let group = message.and_then(|message| message.group.clone());
        let deduplication = message.and_then(|message| message.deduplication.clone());
        let input = SendMessageRequest {
            queue_url: format!("/{}/{}", arn.account(), arn.resource()),
            message_body: prepared.body.clone(),
            message_attributes: Some(attributes).filter(|all| !all.is_empty()),
            message_group_id: group,
            message_deduplication_id: deduplication.filter(|_| is_fifo),
            ..SendMessageRequest::default()
        };
        let principal = sender_of(&prepared.topic).principal;
        self.doors.call::<SendMessage>(principal, &region, input).await?;
        Ok(())
    }

    async fn to_function(
        &self,
        prepared: &Prepared,
        row: &SubscriptionRow,
    ) -> Result<(), Undelivered> {
        let (sender, region) = (sender_of(&prepared.topic), prepared.topic.region.clone());
        let body = Bytes::from(prepared.body.clone());
        let consignment = Consignment::new(&row.endpoint, sender, region, body);
        self.doors.targets.deliver(&consignment).await
    }

    async fn to_url(&self, prepared: &Prepared, row: &SubscriptionRow) -> Result<(), Undelivered> {
        let own = row.choices.delivery_policy.as_deref();
        let content_type = match prepared.kind {
            "Notification" => {
                delivery_policy::content_type(prepared.delivery_policy.as_deref(), own)
            }
            _ => CONTENT_TYPE.to_owned(),
        };
        let post = Post {
            content_type: &content_type,
            url: &row.endpoint,
            kind: prepared.kind,
            message_id: &prepared.message_id,
            topic_arn: &prepared.topic_arn,
            subscription_arn: (prepared.kind == "Notification")
                .then_some(prepared.subscription_arn.as_str()),
            is_raw: row.choices.raw && prepared.kind == "Notification",
            body: prepared.body.clone(),
        };
        post.by(&self.caller, &self.doors.clock).await
    }

    fn to_outbox(
        &self,
        prepared: &Prepared,
        row: &SubscriptionRow,
        subject: Option<&str>,
    ) -> Result<(), Undelivered> {
        if row.protocol == "application" && !self.is_enabled(&row.endpoint) {
            return Err(lasting("EndpointDisabled", "Endpoint is disabled"));
        }
        let id = format!("{} {}", prepared.message_id, prepared.subscription_arn);
        let document = json!({
            "at": prepared.at.iso_millis(),
            "protocol": row.protocol,
            "to": row.endpoint,
            "type": prepared.kind,
            "topicArn": prepared.topic_arn,
            "subscriptionArn": prepared.subscription_arn,
            "messageId": prepared.message_id,
            "subject": subject,
            "body": prepared.body,
        });
        let kept = self.outbox.keep(prepared.at, &id, &document);
        kept.map_err(|error| transient("InternalError", &error.to_string()))
    }

    fn is_enabled(&self, endpoint_arn: &str) -> bool {
        let row = self.doors.ledger.snapshot().get::<EndpointRow>(&endpoint_arn.to_owned());
        row.is_some_and(|row| row.attributes.get("Enabled").is_some_and(|it| it == "true"))
    }

    /// Keeps a message to a device or a phone, that no topic has to do with.
    pub(super) fn keep_direct(
        &self,
        delivery: &Delivery,
        owner: &TopicKey,
        protocol: &str,
        endpoint: &str,
        message: &Message,
    ) -> Verdict {
        let document = json!({
            "at": delivery.at.iso_millis(),
            "protocol": protocol,
            "to": endpoint,
            "type": "Notification",
            "account": owner.account,
            "messageId": message.message_id,
            "subject": message.subject,
            "body": message.text_for(&platform_of(protocol, endpoint)),
        });
        match self.outbox.keep(delivery.at, &message.message_id, &document) {
            Ok(()) => Verdict::Done,
            Err(error) => {
                tracing::error!(%error, "could not keep a message in the outbox");
                Verdict::Retry(self.doors.settings.wait(std::time::Duration::from_secs(20)))
            }
        }
    }
}

/// The name that a text for a device goes by: `GCM` of `…:endpoint/GCM/app/id`.
fn platform_of(protocol: &str, endpoint: &str) -> String {
    match protocol {
        "application" => endpoint.split('/').nth(1).unwrap_or_default().to_owned(),
        other => other.to_owned(),
    }
}

fn queue_attribute((name, it): (&String, &Attribute)) -> (String, MessageAttributeValue) {
    let value = MessageAttributeValue {
        data_type: it.data_type.clone(),
        string_value: it.text.clone(),
        binary_value: it.binary.clone(),
        ..MessageAttributeValue::default()
    };
    (name.clone(), value)
}

pub(super) fn lasting(code: &str, message: &str) -> Undelivered {
    Undelivered { code: code.to_owned(), message: message.to_owned(), is_transient: false }
}

pub(super) fn transient(code: &str, message: &str) -> Undelivered {
    Undelivered { code: code.to_owned(), message: message.to_owned(), is_transient: true }
}
