//! What may be published.
//!
//! AWS docs: *Amazon SNS API Reference > Publish*.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use haar_sns_contract::{MessageAttributeValue, PublishBatchRequestEntry};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::refusal::{invalid, invalid_value};

/// Most bytes of a message with its attributes.
pub(crate) const BYTES_MAX: usize = 256 * 1024;
const SUBJECT_MAX: usize = 100;
const ID_MAX: usize = 128;

/// A message as it is sent to subscribers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) subject: Option<String>,
    /// What subscribers get whose protocol has no text of its own.
    pub(crate) text: String,
    /// Texts of protocols, of messages with the structure `json`.
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

/// One message attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    pub(crate) text: Option<String>,
    pub(crate) binary: Option<Bytes>,
}

impl Message {
    /// One with a text and nothing else.
    pub(crate) fn of_text(message_id: String, text: String) -> Self {
        Self {
            message_id,
            subject: None,
            text,
            texts: BTreeMap::new(),
            attributes: BTreeMap::new(),
            group: None,
            deduplication: None,
        }
    }

    /// Reads a message; its id is the caller's to draw.
    pub(crate) fn read(
        message_id: String,
        entry: PublishBatchRequestEntry,
    ) -> Result<Self, AwsError> {
        if entry.message.is_empty() {
            return Err(invalid("Empty message"));
        }
        if let Some(subject) = &entry.subject {
            check_subject(subject)?;
        }
        let attributes = attributes(entry.message_attributes)?;
        let texts = match entry.message_structure.as_deref() {
            None => BTreeMap::new(),
            Some("json") => texts(&entry.message)?,
            Some(other) => {
                return Err(invalid(format!("Invalid Message Structure parameter: {other}")));
            }
        };
        let text = texts.get("default").cloned().unwrap_or(entry.message);
        let message = Self {
            message_id,
            subject: entry.subject,
            text,
            texts,
            attributes,
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        };
        match message.size() <= BYTES_MAX {
            true => Ok(message),
            false => Err(invalid("Message too long")),
        }
    }

    /// What subscribers of a protocol get.
    pub(crate) fn text_for(&self, protocol: &str) -> &str {
        self.texts.get(protocol).unwrap_or(&self.text)
    }

    /// Bytes that count.
    pub(crate) fn size(&self) -> usize {
        let of_attribute = |(name, it): (&String, &Attribute)| {
            let value = it.text.as_ref().map_or(0, String::len);
            name.len() + it.data_type.len() + value + it.binary.as_ref().map_or(0, Bytes::len)
        };
        let attributes: usize = self.attributes.iter().map(of_attribute).sum();
        self.text.len() + attributes
    }

    /// Checks group and deduplication id against the topic's type, and makes the id that a topic
    /// makes of a message's content.
    pub(crate) fn order(&mut self, is_fifo: bool, by_content: bool) -> Result<(), AwsError> {
        check_id(self.group.as_deref(), "MessageGroupId")?;
        check_id(self.deduplication.as_deref(), "MessageDeduplicationId")?;
        if !is_fifo {
            return match self.deduplication {
                Some(_) => Err(invalid(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId \
                     parameter that is not valid for this topic type",
                )),
                None => Ok(()),
            };
        }
        if self.group.is_none() {
            return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
        }
        match self.deduplication {
            Some(_) => Ok(()),
            None if by_content => {
                self.deduplication = Some(hash(&self.text));
                Ok(())
            }
            None => Err(invalid(
                "The topic should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            )),
        }
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

fn check_id(id: Option<&str>, name: &str) -> Result<(), AwsError> {
    let fits =
        |id: &str| (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    match id.is_none_or(fits) {
        true => Ok(()),
        false => Err(invalid(format!(
            "{name} Reason: The {name} can only include alphanumeric and punctuation characters. \
             1 to 128 in length"
        ))),
    }
}

fn check_subject(subject: &str) -> Result<(), AwsError> {
    let length = subject.chars().count();
    let fits = (1..=SUBJECT_MAX).contains(&length)
        && !subject.chars().any(char::is_control)
        && !subject.starts_with(char::is_whitespace);
    if fits { Ok(()) } else { Err(invalid("Subject")) }
}

/// Texts by protocol; what is no text is ignored.
fn texts(message: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let Ok(Value::Object(all)) = serde_json::from_str::<Value>(message) else {
        return Err(invalid("Message Structure - JSON message body failed to parse"));
    };
    let texts: BTreeMap<String, String> = all
        .into_iter()
        .filter_map(|(name, text)| Some((name, text.as_str()?.to_owned())))
        .collect();
    match texts.contains_key("default") {
        true => Ok(texts),
        false => Err(invalid("Message Structure - No default entry in JSON message body")),
    }
}

fn attributes(
    given: Option<BTreeMap<String, MessageAttributeValue>>,
) -> Result<BTreeMap<String, Attribute>, AwsError> {
    let read = |(name, value): (String, MessageAttributeValue)| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > 256 || !name.bytes().all(fits) {
            return Err(invalid_value(format!(
                "Invalid parameter value: The message attribute name '{name}' is invalid."
            )));
        }
        let attribute = attribute(&name, value)?;
        Ok((name, attribute))
    };
    given.unwrap_or_default().into_iter().map(read).collect()
}

fn attribute(name: &str, value: MessageAttributeValue) -> Result<Attribute, AwsError> {
    let refuse = |words: String| {
        let text = format!("Invalid parameter value: The message attribute '{name}' {words}");
        Err(invalid_value(text))
    };
    let data_type = value.data_type;
    if data_type.is_empty() {
        return refuse("must contain non-empty message attribute type.".to_owned());
    }
    let kind = data_type.split('.').next().unwrap_or_default().to_owned();
    if !matches!(kind.as_str(), "String" | "Number" | "Binary") {
        return refuse(
            "has an invalid message attribute type, the set of supported type prefixes is Binary, \
             Number, and String."
                .to_owned(),
        );
    }
    let text = value.string_value.filter(|text| !text.is_empty());
    let binary = value.binary_value.filter(|bytes| !bytes.is_empty());
    let fits = if kind == "Binary" { binary.is_some() } else { text.is_some() };
    if !fits {
        return refuse(format!(
            "must contain non-empty message attribute value for message attribute type \
             '{data_type}'."
        ));
    }
    if kind == "Number" && text.as_deref().is_none_or(|text| text.parse::<f64>().is_err()) {
        return refuse("can not be cast to a number.".to_owned());
    }
    Ok(Attribute { data_type, text, binary })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: PublishBatchRequestEntry) -> Result<Message, AwsError> {
        Message::read("id".to_owned(), entry)
    }

    fn entry(message: &str) -> PublishBatchRequestEntry {
        PublishBatchRequestEntry {
            message: message.to_owned(),
            ..PublishBatchRequestEntry::default()
        }
    }

    fn told<T: std::fmt::Debug>(outcome: Result<T, AwsError>) -> String {
        outcome.unwrap_err().message().to_owned()
    }

    #[test]
    fn a_message_may_have_a_text_for_each_protocol() {
        let json = |message: &str| PublishBatchRequestEntry {
            message_structure: Some("json".to_owned()),
            ..entry(message)
        };
        let message = read(json(r#"{"default":"d","sqs":"s","n":1}"#)).unwrap();
        assert_eq!((message.text_for("sqs"), message.text_for("http")), ("s", "d"));
        assert!(told(read(json("{"))).ends_with("JSON message body failed to parse"));
        assert!(told(read(json("{}"))).ends_with("No default entry in JSON message body"));
        let other =
            PublishBatchRequestEntry { message_structure: Some("xml".to_owned()), ..entry("x") };
        assert_eq!(
            told(read(other)),
            "Invalid parameter: Invalid Message Structure parameter: xml"
        );
    }

    #[test]
    fn messages_have_a_text_of_256_kib_at_most_and_a_short_subject() {
        assert_eq!(told(read(entry(""))), "Invalid parameter: Empty message");
        assert!(read(entry(&"x".repeat(BYTES_MAX))).is_ok());
        assert_eq!(
            told(read(entry(&"x".repeat(BYTES_MAX + 1)))),
            "Invalid parameter: Message too long"
        );
        for subject in [String::new(), "x".repeat(101), "a\nb".to_owned()] {
            let one = PublishBatchRequestEntry { subject: Some(subject), ..entry("x") };
            assert_eq!(told(read(one)), "Invalid parameter: Subject");
        }
    }

    #[test]
    fn fifo_topics_ask_for_a_group_and_an_id() {
        let mut message = read(entry("x")).unwrap();
        assert!(told(message.order(true, true)).contains("MessageGroupId parameter is required"));
        message.group = Some("g".to_owned());
        assert!(told(message.clone().order(true, false)).contains("ContentBasedDeduplication"));
        message.order(true, true).unwrap();
        assert_eq!(message.deduplication.as_ref().unwrap().len(), 64);
        assert!(told(message.order(false, false)).contains("not valid for this topic type"));
    }

    #[test]
    fn attributes_need_a_type_and_a_value() {
        for (data_type, value) in
            [("", "x"), ("Text", "x"), ("String", ""), ("Number", "x"), ("Binary", "x")]
        {
            let attribute = MessageAttributeValue {
                data_type: data_type.to_owned(),
                string_value: Some(value.to_owned()),
                ..MessageAttributeValue::default()
            };
            let with = PublishBatchRequestEntry {
                message_attributes: Some(BTreeMap::from([("a".to_owned(), attribute)])),
                ..entry("x")
            };
            let error = read(with).unwrap_err();
            assert_eq!(error.code(), "ParameterValueInvalid", "{data_type}");
        }
    }
}
