//! Dead letter queues: which queue sends there, after how many tries, and which may.
//!
//! AWS docs: *Amazon SQS Developer Guide > Using dead-letter queues in Amazon SQS*.

use haar_types::Arn;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::refusal::invalid_value;

const RECEIVES_MAX: u64 = 1000;
const SOURCES_MAX: usize = 10;

/// Where a queue's dead letters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    /// A message that was received so often is a dead letter.
    pub(crate) receives_max: u32,
}

/// Which queues may name a queue as theirs for dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Allowed {
    All,
    None,
    By(Vec<String>),
}

impl Redrive {
    /// Reads the attribute `RedrivePolicy`.
    pub(crate) fn read(text: &str) -> Result<Self, AwsError> {
        let refuse = |reason: &str| invalid_value(text, "RedrivePolicy", reason);
        let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(text) else {
            return Err(refuse("Redrive policy is not a valid JSON map."));
        };
        let lacks = |name: &str| {
            refuse(&format!("Redrive policy does not contain mandatory attribute: {name}."))
        };
        let arn = policy.get("deadLetterTargetArn").ok_or_else(|| lacks("deadLetterTargetArn"))?;
        let count = policy.get("maxReceiveCount").ok_or_else(|| lacks("maxReceiveCount"))?;
        if let Some(name) = policy
            .keys()
            .find(|name| !matches!(name.as_str(), "deadLetterTargetArn" | "maxReceiveCount"))
        {
            return Err(refuse(&format!("Redrive policy contains invalid attribute: {name}.")));
        }
        let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
        let number = shown.parse().ok().filter(|count| (1..=RECEIVES_MAX).contains(count));
        let Some(receives_max) = number.and_then(|count| u32::try_from(count).ok()) else {
            return Err(refuse(&format!(
                "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to \
                 {RECEIVES_MAX} both inclusive."
            )));
        };
        let arn = arn.as_str().unwrap_or_default();
        let is_queue = arn.parse::<Arn>().is_ok_and(|arn| arn.service() == "sqs");
        match is_queue {
            true => Ok(Self { target_arn: arn.to_owned(), receives_max }),
            false => Err(refuse("Invalid value for deadLetterTargetArn.")),
        }
    }
}

impl Allowed {
    /// Reads the attribute `RedriveAllowPolicy`.
    pub(crate) fn read(text: &str) -> Result<Self, AwsError> {
        let refuse = |reason: &str| invalid_value(text, "RedriveAllowPolicy", reason);
        let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(text) else {
            return Err(refuse("RedriveAllowPolicy is not a valid JSON map."));
        };
        let sources = policy.get("sourceQueueArns");
        let permission = policy.get("redrivePermission").and_then(Value::as_str);
        if permission != Some("byQueue") && sources.is_some() {
            return Err(refuse(
                "sourceQueueArns can only be given when redrivePermission is byQueue.",
            ));
        }
        match permission {
            Some("allowAll") => Ok(Self::All),
            Some("denyAll") => Ok(Self::None),
            Some("byQueue") => {
                let list = sources.and_then(Value::as_array);
                let arns: Option<Vec<String>> = list
                    .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect());
                let arns = arns.filter(|arns| (1..=SOURCES_MAX).contains(&arns.len()));
                arns.map(Self::By)
                    .ok_or_else(|| refuse("sourceQueueArns must have between 1 and 10 elements."))
            }
            _ => Err(refuse("redrivePermission must be one of allowAll, denyAll, byQueue.")),
        }
    }

    /// Whether a queue may send its dead letters here.
    pub(crate) fn allows(&self, source_arn: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::By(arns) => arns.iter().any(|arn| arn == source_arn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    #[test]
    fn a_redrive_policy_names_a_queue_and_a_count_as_number_or_text() {
        for count in ["3", "\"3\""] {
            let text = format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":{count}}}"#);
            let redrive = Redrive::read(&text).unwrap();
            assert_eq!((redrive.target_arn.as_str(), redrive.receives_max), (ARN, 3));
        }
        for (text, reason) in [
            ("x".to_owned(), "Redrive policy is not a valid JSON map."),
            (
                format!(r#"{{"deadLetterTargetArn":"{ARN}"}}"#),
                "Redrive policy does not contain mandatory attribute: maxReceiveCount.",
            ),
            (
                format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":0}}"#),
                "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both \
                 inclusive.",
            ),
        ] {
            let error = Redrive::read(&text).unwrap_err();
            assert!(error.message().ends_with(reason), "{}", error.message());
        }
    }

    #[test]
    fn a_redrive_allow_policy_allows_all_none_or_some() {
        let read = |text: &str| Allowed::read(text).unwrap();
        assert!(read(r#"{"redrivePermission":"allowAll"}"#).allows("x"));
        assert!(!read(r#"{"redrivePermission":"denyAll"}"#).allows("x"));
        let some = read(r#"{"redrivePermission":"byQueue","sourceQueueArns":["x"]}"#);
        assert!(some.allows("x") && !some.allows("y"));
        for text in [
            "[]",
            r#"{"redrivePermission":"some"}"#,
            r#"{"redrivePermission":"byQueue","sourceQueueArns":[]}"#,
            r#"{"redrivePermission":"denyAll","sourceQueueArns":["x"]}"#,
        ] {
            assert!(Allowed::read(text).is_err(), "{text}");
        }
    }
}
