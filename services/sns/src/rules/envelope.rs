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
use crate::signing::Signature;

/// What a document tells beside the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// Where haar's API is: `http://localhost:4566`.
    pub(crate) endpoint: &'a str,
    pub(crate) topic_arn: &'a str,
    pub(crate) subscription_arn: &'a str,
    pub(crate) at: Timestamp,
    /// Of messages of FIFO topics.
    pub(crate) sequence_number: Option<&'a str>,
    /// It comes out of an archive.
    pub(crate) is_replayed: bool,
    /// None of messages of FIFO topics.
    pub(crate) signature: Option<&'a Signature>,
}

impl About<'_> {
    fn unsubscribe_url(&self) -> String {
        format!("{}/?Action=Unsubscribe&SubscriptionArn={}", self.endpoint, self.subscription_arn)
    }

    /// The members that tell of the signature, where there is one.
    fn signing(&self, url_name: &'static str) -> Vec<(&'static str, Value)> {
        let Some(signature) = self.signature else { return Vec::new() };
        let url = format!("{}{}", self.endpoint, signature.certificate_path);
        vec![
            ("SignatureVersion", json!(signature.version.as_str())),
            ("Signature", json!(&*signature.value)),
            (url_name, json!(url)),
        ]
    }

    fn subscribe_url(&self, token: &str) -> String {
        let topic = utf8_percent_encode(self.topic_arn, NON_ALPHANUMERIC);
        format!("{}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}", self.endpoint)
    }

    fn confirmation_text(&self) -> String {
        format!(
            "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit \
             the SubscribeURL included in this message.",
            self.topic_arn
        )
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
    if about.is_replayed {
        fields.push(("Replayed", json!(true))); // *Ours*: AWS names it, not its place
    }
    fields.extend(about.signing("SigningCertURL"));
    fields.push(("UnsubscribeURL", json!(about.unsubscribe_url())));
    if !message.attributes.is_empty() {
        fields.push(("MessageAttributes", attributes(message)));
    }
    laid_out(&fields)
}

/// The event that functions get.
pub(crate) fn function_event(about: &About<'_>, message: &Message, text: &str) -> Value {
    let mut told = json!({
        "Type": "Notification",
        "MessageId": message.message_id,
        "TopicArn": about.topic_arn,
        "Subject": message.subject,
        "Message": text,
        "Timestamp": about.at.iso_millis(),
    });
    for (name, value) in about.signing("SigningCertUrl") {
        told[name] = value;
    }
    told["UnsubscribeUrl"] = json!(about.unsubscribe_url());
    told["MessageAttributes"] = attributes(message);
    json!({
        "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": about.subscription_arn,
            "Sns": told,
        }],
    })
}

/// The document that asks an endpoint whether it wants to be subscribed.
pub(crate) fn confirmation(about: &About<'_>, message_id: &str, token: &str) -> String {
    let mut fields = vec![
        ("Type", json!("SubscriptionConfirmation")),
        ("MessageId", json!(message_id)),
        ("Token", json!(token)),
        ("TopicArn", json!(about.topic_arn)),
        ("Message", json!(about.confirmation_text())),
        ("SubscribeURL", json!(about.subscribe_url(token))),
        ("Timestamp", json!(about.at.iso_millis())),
    ];
    fields.extend(about.signing("SigningCertURL"));
    laid_out(&fields)
}

/// What a notification's signature is over: names and values, each on a line, by name.
pub(crate) fn signed_notification(about: &About<'_>, message: &Message, text: &str) -> String {
    let at = about.at.iso_millis();
    let mut fields = vec![("Message", text), ("MessageId", &message.message_id)];
    fields.extend(message.subject.as_deref().map(|subject| ("Subject", subject)));
    fields.extend([("Timestamp", &*at), ("TopicArn", about.topic_arn), ("Type", "Notification")]);
    lines(&fields)
}

/// The same of the question whether an endpoint wants to be subscribed.
pub(crate) fn signed_confirmation(about: &About<'_>, message_id: &str, token: &str) -> String {
    lines(&[
        ("Message", &about.confirmation_text()),
        ("MessageId", message_id),
        ("SubscribeURL", &about.subscribe_url(token)),
        ("Timestamp", &about.at.iso_millis()),
        ("Token", token),
        ("TopicArn", about.topic_arn),
        ("Type", "SubscriptionConfirmation"),
    ])
}

fn lines(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
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
    use crate::signing::Version;

    const ABOUT: About<'_> = About {
        is_replayed: false,
        endpoint: "http://localhost:4566",
        topic_arn: "arn:aws:sns:us-east-1:000000000000:t",
        subscription_arn: "arn:aws:sns:us-east-1:000000000000:t:s",
        at: Timestamp(1_800_000_000_123),
        sequence_number: None,
        signature: None,
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
        let signature = Signature {
            version: Version::Sha1,
            value: "c2ln".into(),
            certificate_path: "/SimpleNotificationService-0a.pem".into(),
        };
        let about = About { signature: Some(&signature), ..ABOUT };
        let text = notification(&about, &message(), "a \"b\"");
        let expected = r#"{
  "Type" : "Notification",
  "MessageId" : "id",
  "TopicArn" : "arn:aws:sns:us-east-1:000000000000:t",
  "Subject" : "hi",
  "Message" : "a \"b\"",
  "Timestamp" : "2027-01-15T08:00:00.123Z",
  "SignatureVersion" : "1",
  "Signature" : "c2ln",
  "SigningCertURL" : "http://localhost:4566/SimpleNotificationService-0a.pem",
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
    fn what_is_signed_is_what_aws_documents() {
        assert_eq!(
            signed_notification(&ABOUT, &message(), "body"),
            "Message\nbody\nMessageId\nid\nSubject\nhi\nTimestamp\n2027-01-15T08:00:00.123Z\n\
             TopicArn\narn:aws:sns:us-east-1:000000000000:t\nType\nNotification\n"
        );
        let message = Message { subject: None, ..message() };
        assert!(!signed_notification(&ABOUT, &message, "body").contains("Subject"));
        let text = signed_confirmation(&ABOUT, "id", "tok");
        assert!(text.contains("\nSubscribeURL\nhttp://localhost:4566/?Action="));
        assert!(text.ends_with("\nType\nSubscriptionConfirmation\n"));
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
