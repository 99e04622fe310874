//! What may be sent. AWS docs: *Amazon SQS Developer Guide > Amazon SQS message quotas*.

use std::collections::BTreeMap;

use bytes::Bytes;
use haar_sqs_contract::{
    InvalidMessageContents, MessageAttributeValue, MessageSystemAttributeValue,
};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use crate::refusal::{invalid, invalid_value, missing, unsupported, wrong_type};

/// The one system attribute that senders set.
pub(crate) const TRACE_HEADER: &str = "AWSTraceHeader";
const ATTRIBUTES_MAX: usize = 10;
const NAME_MAX: usize = 256;
const ID_MAX: usize = 128;
/// Longest delay of a message, in seconds.
pub(crate) const DELAY_MAX: i32 = 900;

/// A message attribute as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    pub(crate) value: Value,
}

/// Its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    Text(String),
    Binary(Bytes),
}

/// Attributes by name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// Refuses a body that no message can have.
pub(crate) fn check_body(body: &str) -> Result<(), AwsError> {
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    if body.bytes().all(|byte| matches!(byte, b' '..=0x7f | b'\t' | b'\n' | b'\r')) {
        return Ok(()); // most are
    }
    match body.chars().find(|letter| !is_allowed(*letter)) {
        None => Ok(()),
        Some(letter) => Err(InvalidMessageContents::message(format!(
            "Invalid binary character '#x{:X}' was found in the message body, the set of allowed \
             characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to \
             #x10FFFF",
            u32::from(letter)
        ))
        .into()),
    }
}

fn is_allowed(letter: char) -> bool {
    matches!(
        letter,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'
    )
}

/// Refuses a message that is longer than its queue takes.
pub(crate) fn check_size(size: usize, size_max: u32) -> Result<(), AwsError> {
    match size <= size_max as usize {
        true => Ok(()),
        false => Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {size_max} \
             bytes."
        ))),
    }
}

/// Bytes that count: the body and its attributes' names, types and values.
pub(crate) fn size_of(body: &str, attributes: &Attributes) -> usize {
    let of_attribute = |(name, attribute): (&String, &Attribute)| {
        let value = match &attribute.value {
            Value::Text(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
        };
        name.len() + attribute.data_type.len() + value
    };
    body.len() + attributes.iter().map(of_attribute).sum::<usize>()
}

/// Reads message attributes.
pub(crate) fn attributes(
    given: Option<BTreeMap<String, MessageAttributeValue>>,
) -> Result<Attributes, AwsError> {
    let given = given.unwrap_or_default();
    if given.len() > ATTRIBUTES_MAX {
        let count = given.len();
        return Err(invalid(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
        )));
    }
    let read = |(name, value): (String, MessageAttributeValue)| {
        check_name(&name)?;
        if value.string_list_values.is_some_and(|list| !list.is_empty())
            || value.binary_list_values.is_some_and(|list| !list.is_empty())
        {
            return Err(unsupported(
                "Message attribute list values in SendMessage operation are not supported.",
            ));
        }
        let attribute = attribute(&name, value.data_type, value.string_value, value.binary_value)?;
        Ok((name, attribute))
    };
    given.into_iter().map(read).collect()
}

/// Reads system attributes, of which senders may set one.
pub(crate) fn system_attributes(
    given: Option<BTreeMap<String, MessageSystemAttributeValue>>,
) -> Result<Attributes, AwsError> {
    let read = |(name, value): (String, MessageSystemAttributeValue)| {
        if name != TRACE_HEADER {
            return Err(invalid(format!(
                "Message system attribute name '{name}' is invalid. It must be {TRACE_HEADER}."
            )));
        }
        let attribute = attribute(&name, value.data_type, value.string_value, value.binary_value)?;
        match attribute.data_type == "String" {
            true => Ok((name, attribute)),
            false => Err(invalid(format!(
                "The message system attribute '{name}' must be of type String."
            ))),
        }
    };
    given.unwrap_or_default().into_iter().map(read).collect()
}

fn attribute(
    name: &str,
    data_type: String,
    text: Option<String>,
    binary: Option<Bytes>,
) -> Result<Attribute, AwsError> {
    if data_type.is_empty() {
        return Err(invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    let kind = data_type.split('.').next().unwrap_or_default().to_owned();
    if !matches!(kind.as_str(), "Binary" | "Number" | "String") || data_type.len() > NAME_MAX {
        return Err(invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of \
             supported type prefixes is Binary, Number, and String."
        )));
    }
    let text = text.filter(|text| !text.is_empty());
    let value = match (kind.as_str(), text, binary.filter(|bytes| !bytes.is_empty())) {
        ("Binary", None, Some(bytes)) => Value::Binary(bytes),
        ("Number", Some(text), None) if !is_number(&text) => {
            return Err(invalid(format!(
                "Can't cast the value of message attribute '{name}' to a number."
            )));
        }
        ("Number" | "String", Some(text), None) => Value::Text(text),
        _ => {
            return Err(invalid(format!(
                "The message attribute '{name}' must contain non-empty message attribute value \
                 for message attribute type '{kind}'."
            )));
        }
    };
    if let Value::Text(text) = &value {
        check_body(text)?;
    }
    Ok(Attribute { data_type, value })
}

/// AWS docs: 38 digits of precision, between 10^-128 and 10^126.
fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let lower = name.to_ascii_lowercase();
    let fits = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.bytes().all(letter)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    if !fits {
        return Err(invalid(format!(
            "Message (user) attribute name '{name}' is invalid. It can contain alphanumeric \
             characters, hyphens, underscores and periods, and must not start or end with a \
             period."
        )));
    }
    match lower.starts_with("aws.") || lower.starts_with("amazon.") {
        true => Err(invalid(format!(
            "Message (user) attribute name '{name}' is invalid. It must not start with 'AWS.' or \
             'Amazon.'."
        ))),
        false => Ok(()),
    }
}

/// What orders and tells apart the messages of a FIFO queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

/// Reads a message's group and deduplication id. `by_content`: the queue makes the id.
pub(crate) fn lane(
    is_fifo: bool,
    by_content: bool,
    group: Option<String>,
    deduplication: Option<String>,
    body: &str,
) -> Result<Lane, AwsError> {
    if let Some(group) = &group {
        check_id(group, "MessageGroupId")?;
    }
    if let Some(id) = &deduplication {
        check_id(id, "MessageDeduplicationId")?;
    }
    if !is_fifo {
        return match deduplication {
            Some(id) => Err(wrong_type(id, "MessageDeduplicationId")),
            None => Ok(Lane { group, deduplication: None }),
        };
    }
    let group = Some(group.ok_or_else(|| missing("MessageGroupId"))?);
    let deduplication = match deduplication {
        Some(id) => id,
        None if by_content => super::digest::of_content(body),
        None => {
            return Err(invalid(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            ));
        }
    };
    Ok(Lane { group, deduplication: Some(deduplication) })
}

/// Refuses an id that is no short, printable text.
pub(crate) fn check_id(id: &str, parameter: &str) -> Result<(), AwsError> {
    let fits = (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => Ok(()),
        false => {
            let reason = format!(
                "{parameter} can only include alphanumeric and punctuation characters. 1 to 128 \
                 in length."
            );
            Err(invalid_value(id, parameter, &reason))
        }
    }
}

/// Reads a message's own delay, in seconds.
pub(crate) fn delay(is_fifo: bool, given: Option<i32>) -> Result<Option<u32>, AwsError> {
    let Some(delay) = given else { return Ok(None) };
    if is_fifo && delay != 0 {
        return Err(wrong_type(delay.to_string(), "DelaySeconds"));
    }
    match u32::try_from(delay) {
        Ok(_) if is_fifo => Ok(None),
        Ok(seconds) if delay <= DELAY_MAX => Ok(Some(seconds)),
        _ => {
            let reason = format!("DelaySeconds must be >= 0 and <= {DELAY_MAX}.");
            Err(invalid_value(delay.to_string(), "DelaySeconds", &reason))
        }
    }
}

#[cfg(test)]
mod tests;
