//! A queue's attributes: names, defaults, bounds.
//!
//! AWS docs: *Amazon SQS API Reference > SetQueueAttributes*.

use std::collections::BTreeMap;

use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use super::redrive::{Allowed, Redrive};
use crate::refusal::{bad_attribute, invalid_value, two_encryptions, unknown_attribute};

/// What a queue's owner chose, or AWS's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) is_fifo: bool,
    pub(crate) delay_seconds: u32,
    pub(crate) message_bytes_max: u32,
    pub(crate) retention_seconds: u32,
    pub(crate) wait_seconds: u32,
    pub(crate) visibility_seconds: u32,
    pub(crate) policy: Option<String>,
    /// As it was written, and what it says.
    pub(crate) redrive: Option<(String, Redrive)>,
    pub(crate) redrive_allow: Option<(String, Allowed)>,
    pub(crate) kms_key: Option<String>,
    pub(crate) kms_reuse_seconds: Option<u32>,
    pub(crate) sqs_sse: bool,
    pub(crate) dedup_by_content: bool,
    pub(crate) dedup_by_group: bool,
    pub(crate) limit_by_group: bool,
}

impl Settings {
    /// AWS's defaults.
    pub(crate) fn new(is_fifo: bool) -> Self {
        Self {
            is_fifo,
            delay_seconds: 0,
            message_bytes_max: 1 << 20,
            retention_seconds: 4 * 24 * 3600,
            wait_seconds: 0,
            visibility_seconds: 30,
            policy: None,
            redrive: None,
            redrive_allow: None,
            kms_key: None,
            kms_reuse_seconds: None,
            sqs_sse: true,
            dedup_by_content: false,
            dedup_by_group: false,
            limit_by_group: false,
        }
    }

    /// Changes what is given.
    pub(crate) fn apply(&mut self, given: &BTreeMap<String, String>) -> Result<(), AwsError> {
        for (name, value) in given {
            self.set(name, value)?;
        }
        let has_key = given.contains_key("KmsMasterKeyId") && self.kms_key.is_some();
        match (given.contains_key("SqsManagedSseEnabled") && self.sqs_sse, has_key) {
            (true, true) => return Err(two_encryptions()),
            (true, false) => self.kms_key = None,
            (false, true) => self.sqs_sse = false,
            (false, false) => {}
        }
        if self.limit_by_group && !self.dedup_by_group {
            let value = given.get("FifoThroughputLimit").map_or("perMessageGroupId", |it| it);
            let reason = "FifoThroughputLimit can be set to perMessageGroupId only when \
                          DeduplicationScope is messageGroup.";
            return Err(invalid_value(value, "FifoThroughputLimit", reason));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), AwsError> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "DelaySeconds" => self.delay_seconds = number(name, value, 0, 900)?,
            "MaximumMessageSize" => {
                self.message_bytes_max = number(name, value, 1024, 1 << 20)?;
            }
            "MessageRetentionPeriod" => {
                self.retention_seconds = number(name, value, 60, 14 * 24 * 3600)?;
            }
            "ReceiveMessageWaitTimeSeconds" => self.wait_seconds = number(name, value, 0, 20)?,
            "VisibilityTimeout" => self.visibility_seconds = number(name, value, 0, 43_200)?,
            "Policy" => self.policy = policy(value)?,
            "RedrivePolicy" => {
                self.redrive =
                    text().map(|it| Ok::<_, AwsError>((it, Redrive::read(value)?))).transpose()?;
            }
            "RedriveAllowPolicy" => {
                self.redrive_allow =
                    text().map(|it| Ok::<_, AwsError>((it, Allowed::read(value)?))).transpose()?;
            }
            "KmsMasterKeyId" => self.kms_key = text(),
            "KmsDataKeyReusePeriodSeconds" => {
                self.kms_reuse_seconds = Some(number(name, value, 60, 86_400)?);
            }
            "SqsManagedSseEnabled" => self.sqs_sse = flag(name, value)?,
            "FifoQueue" if self.is_fifo && flag(name, value)? => {}
            "ContentBasedDeduplication" if self.is_fifo => {
                self.dedup_by_content = flag(name, value)?;
            }
            "DeduplicationScope" if self.is_fifo => {
                self.dedup_by_group = one_of(name, value, "queue", "messageGroup")?;
            }
            "FifoThroughputLimit" if self.is_fifo => {
                self.limit_by_group = one_of(name, value, "perQueue", "perMessageGroupId")?;
            }
            _ => return Err(unknown_attribute(name)),
        }
        Ok(())
    }

    /// All of them as texts, by name.
    pub(crate) fn shown(&self) -> BTreeMap<&'static str, String> {
        let mut shown = BTreeMap::from([
            ("DelaySeconds", self.delay_seconds.to_string()),
            ("MaximumMessageSize", self.message_bytes_max.to_string()),
            ("MessageRetentionPeriod", self.retention_seconds.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.wait_seconds.to_string()),
            ("SqsManagedSseEnabled", self.sqs_sse.to_string()),
            ("VisibilityTimeout", self.visibility_seconds.to_string()),
        ]);
        let mut add = |name, value: Option<String>| {
            if let Some(value) = value {
                shown.insert(name, value);
            }
        };
        add("Policy", self.policy.clone());
        add("RedrivePolicy", self.redrive.as_ref().map(|(text, _)| text.clone()));
        add("RedriveAllowPolicy", self.redrive_allow.as_ref().map(|(text, _)| text.clone()));
        add("KmsMasterKeyId", self.kms_key.clone());
        let reuse = self.kms_reuse_seconds.or(self.kms_key.as_ref().map(|_| 300));
        add("KmsDataKeyReusePeriodSeconds", reuse.map(|seconds| seconds.to_string()));
        if self.is_fifo {
            let scope = if self.dedup_by_group { "messageGroup" } else { "queue" };
            let limit = if self.limit_by_group { "perMessageGroupId" } else { "perQueue" };
            add("FifoQueue", Some("true".to_owned()));
            add("ContentBasedDeduplication", Some(self.dedup_by_content.to_string()));
            add("DeduplicationScope", Some(scope.to_owned()));
            add("FifoThroughputLimit", Some(limit.to_owned()));
        }
        shown
    }
}

/// Names that `GetQueueAttributes` knows beside [`Settings::shown`].
pub(crate) const OBSERVED: &[&str] = &[
    "All",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Names of attributes that a queue may have and this one may lack.
pub(crate) const SETTABLE: &[&str] = &[
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, AwsError> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| bad_attribute(name))
}

fn flag(name: &str, value: &str) -> Result<bool, AwsError> {
    one_of(name, &value.to_ascii_lowercase(), "false", "true")
}

/// False for the first, true for the second.
fn one_of(name: &str, value: &str, first: &str, second: &str) -> Result<bool, AwsError> {
    match value {
        _ if value == first => Ok(false),
        _ if value == second => Ok(true),
        _ => Err(bad_attribute(name)),
    }
}

fn policy(value: &str) -> Result<Option<String>, AwsError> {
    if value.is_empty() {
        return Ok(None);
    }
    super::policy::check(value)?;
    Ok(Some(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(is_fifo: bool, pairs: &[(&str, &str)]) -> Result<Settings, AwsError> {
        let mut settings = Settings::new(is_fifo);
        let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        settings.apply(&given.collect()).map(|()| settings)
    }

    #[test]
    fn values_have_bounds() {
        for (name, good, bad) in [
            ("DelaySeconds", "900", "901"),
            ("MaximumMessageSize", "1048576", "1048577"),
            ("MaximumMessageSize", "1024", "1023"),
            ("MessageRetentionPeriod", "60", "59"),
            ("MessageRetentionPeriod", "1209600", "1209601"),
            ("ReceiveMessageWaitTimeSeconds", "20", "21"),
            ("VisibilityTimeout", "43200", "43201"),
            ("VisibilityTimeout", "0", "-1"),
            ("KmsDataKeyReusePeriodSeconds", "60", "x"),
            ("SqsManagedSseEnabled", "false", "maybe"),
            ("Policy", "", "{"),
        ] {
            assert!(set(false, &[(name, good)]).is_ok(), "{name}");
            let error = set(false, &[(name, bad)]).unwrap_err();
            assert_eq!(error.name(), "InvalidAttributeValue", "{name}");
            assert_eq!(error.message(), format!("Invalid value for the parameter {name}."));
        }
    }

    #[test]
    fn fifo_attributes_are_unknown_to_standard_queues() {
        for name in ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "Nonsense"] {
            let error = set(false, &[(name, "true")]).unwrap_err();
            assert_eq!(error.name(), "InvalidAttributeName");
            assert_eq!(error.message(), format!("Unknown Attribute {name}."));
        }
        assert!(set(true, &[("FifoThroughputLimit", "perMessageGroupId")]).is_err());
        let high =
            [("FifoThroughputLimit", "perMessageGroupId"), ("DeduplicationScope", "messageGroup")];
        let shown = set(true, &high).unwrap().shown();
        assert_eq!(shown["FifoThroughputLimit"], "perMessageGroupId");
        assert_eq!(shown["ContentBasedDeduplication"], "false");
    }

    #[test]
    fn a_queue_has_one_kind_of_encryption() {
        let both = [("KmsMasterKeyId", "alias/aws/sqs"), ("SqsManagedSseEnabled", "true")];
        let error = set(false, &both).unwrap_err();
        assert_eq!(error.name(), "InvalidAttributeValue");
        assert!(error.message().starts_with("You can use one type of server-side encryption"));
        let off = [("KmsMasterKeyId", "alias/aws/sqs"), ("SqsManagedSseEnabled", "false")];
        assert!(set(false, &off).is_ok());
    }

    #[test]
    fn a_key_of_ones_own_ends_the_encryption_with_sqss_key() {
        let shown = set(false, &[("KmsMasterKeyId", "alias/aws/sqs")]).unwrap().shown();
        assert_eq!(shown["SqsManagedSseEnabled"], "false");
        assert_eq!(shown["KmsDataKeyReusePeriodSeconds"], "300");
        assert_eq!(set(false, &[]).unwrap().shown()["SqsManagedSseEnabled"], "true");
    }
}
