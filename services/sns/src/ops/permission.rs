//! Statements of a topic's policy by label.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_sns_contract::{
    AddPermission, AddPermissionInput, AddPermissionOutput, RemovePermission,
    RemovePermissionInput, RemovePermissionOutput,
};
use haar_types::AccountId;
use serde_json::{Value, json};

use crate::Sns;
use crate::lookup::find_topic;
use crate::refusal::{invalid, not_found};
use crate::state::TopicRow;

/// What may be allowed this way.
const ACTIONS: &[&str] = &[
    "AddPermission",
    "DeleteTopic",
    "GetDataProtectionPolicy",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "Publish",
    "PutDataProtectionPolicy",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

/// AWS docs: *Amazon SNS API Reference > AddPermission*.
impl Command<AddPermission> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: AddPermissionInput,
    ) -> Answer<AddPermission> {
        let row = find_topic(tx, &input.topic_arn)?;
        if input.label.is_empty() || input.aws_account_id.is_empty() || input.action_name.is_empty()
        {
            return Err(invalid("Label, AWSAccountId and ActionName Reason: no value given"));
        }
        if input.aws_account_id.iter().any(|id| id.parse::<AccountId>().is_err()) {
            return Err(invalid("AWSAccountId"));
        }
        if !input.action_name.iter().all(|action| ACTIONS.contains(&action.as_str())) {
            return Err(invalid("Policy statement action out of service scope!"));
        }
        let (mut policy, arn) = (policy_of(&row), row.key.arn());
        let statements = statements(&mut policy);
        if statements.iter().any(|statement| statement["Sid"] == input.label.as_str()) {
            return Err(invalid("Statement already exists"));
        }
        let principals = input.aws_account_id.iter().map(|id| format!("arn:aws:iam::{id}:root"));
        let actions = input.action_name.iter().map(|action| format!("SNS:{action}"));
        statements.push(json!({
            "Sid": input.label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": arn,
        }));
        keep(tx, &row, &policy);
        Ok(AddPermissionOutput {})
    }
}

/// AWS docs: *Amazon SNS API Reference > RemovePermission*.
impl Command<RemovePermission> for Sns {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: RemovePermissionInput,
    ) -> Answer<RemovePermission> {
        let row = find_topic(tx, &input.topic_arn)?;
        let mut policy = policy_of(&row);
        let statements = statements(&mut policy);
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != input.label.as_str());
        if statements.len() == before {
            return Err(not_found("Statement does not exist"));
        }
        keep(tx, &row, &policy);
        Ok(RemovePermissionOutput {})
    }
}

fn keep(tx: &mut Tx, row: &TopicRow, policy: &Value) {
    let mut row = row.clone();
    row.settings.policy = Some(policy.to_string());
    tx.put(row);
}

fn policy_of(row: &TopicRow) -> Value {
    let text = row.settings.effective_policy(&row.key.arn(), row.key.account.as_str());
    serde_json::from_str(&text).unwrap_or_default()
}

/// A policy's statements as a list, of which there may be one alone.
fn statements(policy: &mut Value) -> &mut Vec<Value> {
    let there = &mut policy["Statement"];
    if !there.is_array() {
        let one = there.take();
        *there = if one.is_null() { json!([]) } else { json!([one]) };
    }
    there.as_array_mut().expect("made one")
}

fn one_or_many(texts: impl Iterator<Item = String>) -> Value {
    let mut all: Vec<String> = texts.collect();
    match all.len() {
        1 => Value::from(all.remove(0)),
        _ => Value::from(all),
    }
}
