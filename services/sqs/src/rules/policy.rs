//! What a queue's policy may say. AWS docs: *Amazon SQS Developer Guide > Quotas > Policies*.

use haar_policy::{Document, Grammar, listed};
use haar_wire::AwsError;
use serde_json::Value;

use crate::refusal::{bad_attribute, over_limit};

/// Most actions of one statement.
const ACTIONS_MAX: usize = 7;

/// Refuses a policy that cannot be read, that is about what is no queue's, or that says too much.
pub(crate) fn check(text: &str) -> Result<(), AwsError> {
    let bad = || bad_attribute("Policy");
    Document::parse(text, Grammar::Resource).map_err(|_| bad())?;
    let policy: Value = serde_json::from_str(text).map_err(|_| bad())?;
    for statement in listed(&policy["Statement"]) {
        let actions = listed(&statement["Action"]);
        if !actions.iter().chain(listed(&statement["NotAction"])).all(is_own) {
            return Err(bad());
        }
        if actions.len() > ACTIONS_MAX {
            return Err(over_limit(format!(
                "{} actions were found in a statement from the submitted policy, max allowed is \
                 {ACTIONS_MAX}",
                actions.len()
            )));
        }
    }
    Ok(())
}

fn is_own(action: &Value) -> bool {
    let action = action.as_str().unwrap_or_default();
    action == "*" || action.to_ascii_lowercase().starts_with("sqs:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(action: &Value) -> Result<(), (String, String)> {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": action,
            "Resource": "arn:aws:sqs:us-east-1:000000000000:q",
        }] });
        let words = |error: AwsError| (error.name().to_owned(), error.message().to_owned());
        check(&policy.to_string()).map_err(words)
    }

    #[test]
    fn a_policy_is_about_queues_and_names_few_actions() {
        assert!(said(&json!(["sqs:SendMessage", "SQS:*", "*"])).is_ok());
        let (name, text) = said(&json!("s3:GetObject")).unwrap_err();
        assert_eq!(name, "InvalidAttributeValue");
        assert_eq!(text, "Invalid value for the parameter Policy.");
        let many: Vec<String> = (0..8).map(|number| format!("sqs:Action{number}")).collect();
        assert!(said(&json!(many[1..])).is_ok());
        let (name, text) = said(&json!(many)).unwrap_err();
        assert_eq!(name, "OverLimit");
        let words =
            "8 actions were found in a statement from the submitted policy, max allowed is 7";
        assert_eq!(text, words);
    }
}
