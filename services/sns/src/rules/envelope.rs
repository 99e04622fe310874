//! The documents that SNS wraps messages in.
//!
//! AWS docs: *Amazon SNS Developer Guide > HTTP/HTTPS notification JSON format*, *Fanout to Amazon
//! SQS queues*, *Invoking Lambda functions*.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_types::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::message::{Attribute, Message};

/// In the place of a signature: haar does not sign, and says so.
const UNSIGNED: &str = "unsigned";

/// What a document tells beside the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// Where haar's API is: `http://localhost:4566`.
    pub(crate) endpoint: &'a str,
    pub(crate) topic_arn: &'a str,
    pub(crate) subscription_arn: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) signature_version: &'a str,
    /// Of messages of FIFO topics.
    pub(crate) sequence_number: Option<&'a str>,
}

impl About<'_> {
    fn unsubscribe_url(&self) -> String {
        format!("{}/?Action=Unsubscribe&SubscriptionArn={}", self.endpoint, self.subscription_arn)
    }

    fn certificate_url(&self) -> String {
        format!("{}/SimpleNotificationService.pem", self.endpoint)
    }
}

/// The document that queues and HTTP endpoints get.
pub(crate) fn notification(about: &About<'_>, message: &Message, text: &str) -> String {
    let mut fields: Vec<(&str, Value)> =
        vec![("Type", json!("Notification")), ("MessageId", json!(message.message_id))];
    if let Some(number) = about.sequence_number {
        fields.push(("SequenceNumber", json!(number)));
    }
    fields.push(("TopicArn", json!(about.topic_arn)));
    if let Some(subject) = &message.subject {
        fields.push(("Subject", json!(subject)));
    }
    fields.push(("Message", json!(text)));
    fields.push(("Timestamp", json!(about.at.iso_millis())));
    if about.sequence_number.is_none() {
        fields.push(("SignatureVersion", json!(about.signature_version)));
        fields.push(("Signature", json!(UNSIGNED)));
        fields.push(("SigningCertURL", json!(about.certificate_url())));
    }
    fields.push(("UnsubscribeURL", json!(about.unsubscribe_url())));
    if !message.attributes.is_empty() {
        fields.push(("MessageAttributes", attributes(message)));
    }
    laid_out(&fields)
}

/// The event that functions get.
pub(crate) fn function_event(about: &About<'_>, message: &Message, text: &str) -> Value {
    json!({
        "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": about.subscription_arn,
            "Sns": {
                "Type": "Notification",
                "MessageId": message.message_id,
                "TopicArn": about.topic_arn,
                "Subject": message.subject,
                "Message": text,
                "Timestamp": about.at.iso_millis(),
                "SignatureVersion": about.signature_version,
                "Signature": UNSIGNED,
                "SigningCertUrl": about.certificate_url(),
                "UnsubscribeUrl": about.unsubscribe_url(),
                "MessageAttributes": attributes(message),
            },
        }],
    })
}

/// The document that asks an endpoint whether it wants to be subscribed.
pub(crate) fn confirmation(about: &About<'_>, message_id: &str, token: &str) -> String {
    let topic = utf8_percent_encode(about.topic_arn, NON_ALPHANUMERIC);
    let url =
        format!("{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}", about.endpoint);
    let text = format!(
        "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the \
         SubscribeURL included in this message.",
        about.topic_arn
    );
    laid_out(&[
        ("Type", json!("SubscriptionConfirmation")),
        ("MessageId", json!(message_id)),
        ("Token", json!(token)),
        ("TopicArn", json!(about.topic_arn)),
        ("Message", json!(text)),
        ("SubscribeURL", json!(url)),
        ("Timestamp", json!(about.at.iso_millis())),
        ("SignatureVersion", json!(about.signature_version)),
        ("Signature", json!(UNSIGNED)),
        ("SigningCertURL", json!(about.certificate_url())),
    ])
}

fn attributes(message: &Message) -> Value {
    let shown = |(name, it): (&String, &Attribute)| {
        let binary = it.binary.as_ref().map(|bytes| STANDARD.encode(bytes));
        let value = it.text.clone().or(binary);
        (name.clone(), json!({ "Type": it.data_type, "Value": value }))
    };
    Value::Object(message.attributes.iter().map(shown).collect::<Map<_, _>>())
}

/// JSON as SNS lays it out: a line for each field, blanks around its colon.
fn laid_out(fields: &[(&str, Value)]) -> String {
    let lines: Vec<String> = fields
        .iter()
        .map(|(name, value)| match value {
            Value::Object(inner) => {
                let inner: Vec<String> = inner
                    .iter()
                    .map(|(name, value)| format!("    {} : {value}", json!(name)))
                    .collect();
                format!("  \"{name}\" : {{\n{}\n  }}", inner.join(",\n"))
            }
            value => format!("  \"{name}\" : {value}"),
        })
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ABOUT: About<'_> = About {
        endpoint: "http://localhost:4566",
        topic_arn: "arn:aws:sns:us-east-1:000000000000:t",
        subscription_arn: "arn:aws:sns:us-east-1:000000000000:t:s",
        at: Timestamp(1_800_000_000_123),
        signature_version: "1",
        sequence_number: None,
    };

    fn message() -> Message {
        let attribute =
            Attribute { data_type: "String".to_owned(), text: Some("v".to_owned()), binary: None };
        Message {
            message_id: "id".to_owned(),
            subject: Some("hi".to_owned()),
            text: "a \"b\"".to_owned(),
            texts: BTreeMap::new(),
            attributes: BTreeMap::from([("k".to_owned(), attribute)]),
            group: None,
            deduplication: None,
        }
    }

    #[test]
    fn a_notification_is_laid_out_as_sns_does() {
        let text = notification(&ABOUT, &message(), "a \"b\"");
        let expected = r#"{
  "Type" : "Notification",
  "MessageId" : "id",
  "TopicArn" : "arn:aws:sns:us-east-1:000000000000:t",
  "Subject" : "hi",
  "Message" : "a \"b\"",
  "Timestamp" : "2027-01-15T08:00:00.123Z",
  "SignatureVersion" : "1",
  "Signature" : "unsigned",
  "SigningCertURL" : "http://localhost:4566/SimpleNotificationService.pem",
  "UnsubscribeURL" : "http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:000000000000:t:s",
  "MessageAttributes" : {
    "k" : {"Type":"String","Value":"v"}
  }
}"#;
        assert_eq!(text, expected);
        let about = About { sequence_number: Some("10"), ..ABOUT };
        let fifo: Value = serde_json::from_str(&notification(&about, &message(), "x")).unwrap();
        assert_eq!((&fifo["SequenceNumber"], &fifo["Signature"]), (&json!("10"), &Value::Null));
    }

    #[test]
    fn a_confirmation_has_a_link_that_confirms() {
        let text = confirmation(&ABOUT, "id", "token");
        let document: Value = serde_json::from_str(&text).unwrap();
        let url = document["SubscribeURL"].as_str().unwrap();
        assert!(
            url.starts_with("http://localhost:4566/?Action=ConfirmSubscription&TopicArn=arn%3A")
        );
        assert!(url.ends_with("&Token=token"));
        let event = function_event(&ABOUT, &message(), "x");
        assert_eq!(event["Records"][0]["Sns"]["MessageAttributes"]["k"]["Value"], "v");
    }
}
