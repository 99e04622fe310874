//! A subscription's attributes.
//!
//! AWS docs: *Amazon SNS API Reference > SetSubscriptionAttributes*.

use haar_types::Arn;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::{self, Scope};
use super::{archive, delivery_policy};
use crate::refusal::invalid;

/// What a subscriber chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choices {
    pub(crate) raw: bool,
    pub(crate) filter_policy: Option<String>,
    pub(crate) filter_scope: Scope,
    pub(crate) delivery_policy: Option<String>,
    /// As it was written.
    pub(crate) redrive_policy: Option<String>,
    /// As it was written.
    #[serde(default)]
    pub(crate) replay_policy: Option<String>,
}

impl Choices {
    /// Changes one attribute of a subscription with this protocol.
    pub(crate) fn set(&mut self, protocol: &str, name: &str, value: &str) -> Result<(), AwsError> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "RawMessageDelivery" => {
                let raw = match value.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => {
                        return Err(invalid(format!(
                            "Attributes Reason: RawMessageDelivery: Invalid value [{value}]. Must \
                             be true or false."
                        )));
                    }
                };
                if raw && !matches!(protocol, "sqs" | "http" | "https" | "firehose") {
                    return Err(invalid(
                        "Attributes Reason: Delivery protocol does not support raw message \
                         delivery.",
                    ));
                }
                self.raw = raw;
            }
            "FilterPolicy" => self.filter_policy = text().filter(|text| text.trim() != "{}"),
            "FilterPolicyScope" => self.filter_scope = Scope::read(value)?,
            "ReplayPolicy" => {
                self.replay_policy = archive::wanted(value)?.map(|_| value.to_owned());
            }
            "DeliveryPolicy" => {
                if text().is_some() {
                    delivery_policy::check_of_subscription(value)?;
                }
                self.delivery_policy = text();
            }
            "RedrivePolicy" => {
                if text().is_some() {
                    dead_letter_queue(value).ok_or_else(|| {
                        invalid(
                            "RedrivePolicy: must be a JSON map with the ARN of an SQS queue as \
                             deadLetterTargetArn",
                        )
                    })?;
                }
                self.redrive_policy = text();
            }
            _ => return Err(invalid("AttributeName")),
        }
        Ok(())
    }

    /// Refuses choices that do not go together.
    pub(crate) fn check(&self) -> Result<(), AwsError> {
        if let Some(policy) = self.delivery_policy.as_deref().filter(|_| !self.raw) {
            delivery_policy::check_of_documents(policy)?;
        }
        match &self.filter_policy {
            Some(text) => filter::compile(text, self.filter_scope).map(drop),
            None => Ok(()),
        }
    }

    /// What is to be sent again.
    pub(crate) fn replay(&self) -> Option<archive::Wanted> {
        archive::wanted(self.replay_policy.as_deref()?).ok().flatten()
    }

    /// The queue for what could not be delivered.
    pub(crate) fn dead_letter_queue(&self) -> Option<String> {
        dead_letter_queue(self.redrive_policy.as_deref()?)
    }
}

fn dead_letter_queue(text: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let arn = policy.get("deadLetterTargetArn")?.as_str()?;
    let is_queue = arn.parse::<Arn>().is_ok_and(|arn| arn.service() == "sqs");
    is_queue.then(|| arn.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_checked_for_their_protocol() {
        let mut choices = Choices::default();
        choices.set("sqs", "RawMessageDelivery", "true").unwrap();
        assert!(choices.raw);
        for (protocol, name, value) in [
            ("lambda", "RawMessageDelivery", "true"),
            ("sqs", "RawMessageDelivery", "yes"),
            ("sqs", "FilterPolicyScope", "Body"),
            ("sqs", "RedrivePolicy", "{}"),
            ("sqs", "Nonsense", "x"),
            ("http", "DeliveryPolicy", "x"),
        ] {
            assert!(choices.set(protocol, name, value).is_err(), "{name} {value}");
        }
        choices.set("sqs", "FilterPolicy", r#"{"a":{"b":["x"]}}"#).unwrap();
        assert!(choices.check().is_err());
        choices.set("sqs", "FilterPolicyScope", "MessageBody").unwrap();
        assert!(choices.check().is_ok());
        let arn = "arn:aws:sqs:us-east-1:000000000000:d";
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}"}}"#);
        choices.set("sqs", "RedrivePolicy", &policy).unwrap();
        assert_eq!(choices.dead_letter_queue().as_deref(), Some(arn));
    }
}
