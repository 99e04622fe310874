//! A topic's name and attributes.
//!
//! AWS docs: *Amazon SNS API Reference > CreateTopic, SetTopicAttributes*.

use std::collections::BTreeMap;

use haar_policy::{Document, Grammar, listed};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{archive, delivery_policy};
use crate::refusal::invalid;

const NAME_MAX: usize = 256;
const FIFO_SUFFIX: &str = ".fifo";

/// Attributes that are kept and shown as they were given.
const KEPT: &[&str] = &[
    "ApplicationFailureFeedbackRoleArn",
    "ApplicationSuccessFeedbackRoleArn",
    "ApplicationSuccessFeedbackSampleRate",
    "FirehoseFailureFeedbackRoleArn",
    "FirehoseSuccessFeedbackRoleArn",
    "FirehoseSuccessFeedbackSampleRate",
    "HTTPFailureFeedbackRoleArn",
    "HTTPSuccessFeedbackRoleArn",
    "HTTPSuccessFeedbackSampleRate",
    "KmsMasterKeyId",
    "LambdaFailureFeedbackRoleArn",
    "LambdaSuccessFeedbackRoleArn",
    "LambdaSuccessFeedbackSampleRate",
    "SQSFailureFeedbackRoleArn",
    "SQSSuccessFeedbackRoleArn",
    "SQSSuccessFeedbackSampleRate",
];

/// What a topic's owner chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) is_fifo: bool,
    pub(crate) dedup_by_content: bool,
    pub(crate) dedup_by_group: bool,
    pub(crate) display_name: String,
    /// `None`: the policy that AWS gives to each topic.
    pub(crate) policy: Option<String>,
    pub(crate) delivery_policy: Option<String>,
    pub(crate) signature_version: Option<String>,
    pub(crate) tracing: Option<String>,
    /// As it was written.
    #[serde(default)]
    pub(crate) archive: Option<String>,
    pub(crate) kept: BTreeMap<String, String>,
}

/// Refuses a name that no topic of this type can have.
pub(crate) fn check_name(name: &str, is_fifo: bool) -> Result<(), AwsError> {
    let stem = if is_fifo { name.strip_suffix(FIFO_SUFFIX) } else { Some(name) };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(letter));
    match fits && name.len() <= NAME_MAX {
        true => Ok(()),
        false if is_fifo => Err(invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and \
             lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 \
             and 256 characters long.",
        )),
        false => Err(invalid("Topic Name")),
    }
}

/// Refuses a policy that cannot be read, or that is about what is no topic's.
fn check_policy(text: &str) -> Result<(), AwsError> {
    if Document::parse(text, Grammar::Resource).is_err() {
        return Err(invalid("Policy Error: null"));
    }
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let is_own = |action: &Value| {
        let action = action.as_str().unwrap_or_default().to_ascii_lowercase();
        action == "*" || action.starts_with("sns:")
    };
    let statements = listed(&json["Statement"]).iter();
    match statements.flat_map(|statement| listed(&statement["Action"])).all(is_own) {
        true => Ok(()),
        false => Err(invalid("Policy statement action out of service scope!")),
    }
}

impl Settings {
    /// Changes one attribute.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), AwsError> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        let flag = || match value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(bad(name, "value must be true or false")),
        };
        match name {
            "DisplayName" if value.chars().count() > 100 => {
                return Err(bad(name, "value must be at most 100 characters long"));
            }
            "DisplayName" => value.clone_into(&mut self.display_name),
            "Policy" => {
                if text().is_some() {
                    check_policy(value)?;
                }
                self.policy = text();
            }
            "DeliveryPolicy" => {
                if text().is_some() {
                    delivery_policy::check_of_topic(value)?;
                }
                self.delivery_policy = text();
            }
            "SignatureVersion" if matches!(value, "1" | "2") => self.signature_version = text(),
            "TracingConfig" if matches!(value, "Active" | "PassThrough") => self.tracing = text(),
            "SignatureVersion" | "TracingConfig" => return Err(bad(name, "value is not allowed")),
            "FifoTopic" if self.is_fifo == flag()? => {}
            "ArchivePolicy" if self.is_fifo => {
                self.archive = archive::kept_for(value)?.map(|_| value.to_owned());
            }
            "ContentBasedDeduplication" if self.is_fifo => self.dedup_by_content = flag()?,
            "FifoThroughputScope" if self.is_fifo => {
                self.dedup_by_group = match value {
                    "Topic" => false,
                    "MessageGroup" => true,
                    _ => return Err(bad(name, "value must be Topic or MessageGroup")),
                };
            }
            _ if name.ends_with("SampleRate")
                && !value.is_empty()
                && !value.parse::<u8>().is_ok_and(|rate| rate <= 100) =>
            {
                return Err(bad(name, "value must be an integer between 0 and 100"));
            }
            _ if KEPT.contains(&name) => {
                self.kept.insert(name.to_owned(), value.to_owned());
            }
            _ => return Err(invalid("AttributeName")),
        }
        Ok(())
    }

    /// All attributes that describe the topic itself, by name.
    pub(crate) fn shown(&self, arn: &str, owner: &str) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::from([
            ("TopicArn".to_owned(), arn.to_owned()),
            ("Owner".to_owned(), owner.to_owned()),
            ("DisplayName".to_owned(), self.display_name.clone()),
            ("Policy".to_owned(), self.effective_policy(arn, owner)),
        ]);
        shown.extend(self.kept.clone().into_iter().filter(|(_, value)| !value.is_empty()));
        let mut add = |name: &str, value: Option<String>| {
            shown.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("ArchivePolicy", self.archive.clone());
        add("DeliveryPolicy", self.delivery_policy.clone());
        let effective = delivery_policy::effective_of_topic(self.delivery_policy.as_deref());
        add("EffectiveDeliveryPolicy", Some(effective.to_string()));
        add("SignatureVersion", self.signature_version.clone());
        add("TracingConfig", self.tracing.clone());
        if self.is_fifo {
            let scope = if self.dedup_by_group { "MessageGroup" } else { "Topic" };
            add("FifoTopic", Some("true".to_owned()));
            add("ContentBasedDeduplication", Some(self.dedup_by_content.to_string()));
            add("FifoThroughputScope", Some(scope.to_owned()));
        }
        shown
    }

    /// The topic's policy, or the one that lets its owner's account do all.
    pub(crate) fn effective_policy(&self, arn: &str, owner: &str) -> String {
        self.policy.clone().unwrap_or_else(|| default_policy(arn, owner).to_string())
    }
}

fn default_policy(arn: &str, owner: &str) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": [
                "SNS:GetTopicAttributes",
                "SNS:SetTopicAttributes",
                "SNS:AddPermission",
                "SNS:RemovePermission",
                "SNS:DeleteTopic",
                "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic",
                "SNS:Publish",
            ],
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": owner } },
        }],
    })
}

fn bad(name: &str, reason: &str) -> AwsError {
    invalid(format!("{name} Reason: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_hyphens_and_underscores() {
        assert!(check_name("a-B_1", false).is_ok());
        assert!(check_name("a.fifo", true).is_ok());
        for (name, is_fifo) in [("", false), ("a b", false), ("a.fifo", false), ("a", true)] {
            assert!(check_name(name, is_fifo).is_err(), "{name}");
        }
        assert_eq!(
            check_name("a b", false).unwrap_err().message(),
            "Invalid parameter: Topic Name"
        );
    }

    #[test]
    fn attributes_are_checked_and_shown() {
        let mut settings = Settings::default();
        settings.set("DisplayName", "me").unwrap();
        settings.set("HTTPSuccessFeedbackSampleRate", "100").unwrap();
        settings.set("KmsMasterKeyId", "alias/aws/sns").unwrap();
        for (name, value) in [
            ("ContentBasedDeduplication", "true"),
            ("SignatureVersion", "3"),
            ("Policy", "{"),
            ("Nonsense", "x"),
            ("FifoTopic", "true"),
            ("HTTPSuccessFeedbackSampleRate", "101"),
            ("SQSSuccessFeedbackSampleRate", "many"),
        ] {
            assert_eq!(settings.set(name, value).unwrap_err().code(), "InvalidParameter", "{name}");
        }
        let shown = settings.shown("arn:aws:sns:r:a:t", "a");
        assert_eq!(
            (shown["DisplayName"].as_str(), shown["KmsMasterKeyId"].as_str()),
            ("me", "alias/aws/sns")
        );
        assert!(shown["Policy"].contains("__default_statement_ID"));
        assert!(shown["EffectiveDeliveryPolicy"].contains("\"numRetries\":3"));
    }
}
