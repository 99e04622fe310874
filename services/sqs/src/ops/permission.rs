//! Statements of a queue's policy by label.

use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;
use haar_sqs_contract::{
    AddPermission, AddPermissionOutput, AddPermissionRequest, RemovePermission,
    RemovePermissionOutput, RemovePermissionRequest,
};
use haar_types::AccountId;
use haar_wire::AwsError;
use serde_json::{Value, json};

use crate::Sqs;
use crate::lookup::find;
use crate::refusal::{invalid_value, missing, over_limit};
use crate::state::QueueRow;

/// What may be allowed this way.
const ACTIONS: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
const STATEMENTS_MAX: usize = 20;
const ACTIONS_MAX: usize = 7;

/// AWS docs: *Amazon SQS API Reference > AddPermission*.
impl Command<AddPermission> for Sqs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: AddPermissionRequest,
    ) -> Answer<AddPermission> {
        let row = find(tx, call, &input.queue_url)?;
        check(&input)?;
        let mut policy = policy_of(&row);
        let statements = statements(&mut policy);
        if statements.iter().any(|statement| statement["Sid"] == input.label.as_str()) {
            return Err(invalid_value(&input.label, "Label", "Already exists."));
        }
        if statements.len() >= STATEMENTS_MAX {
            let count = statements.len() + 1;
            return Err(over_limit(format!(
                "{count} statements were found, maximum allowed is {STATEMENTS_MAX}."
            )));
        }
        let principal = |id: &String| format!("arn:aws:iam::{id}:root");
        statements.push(json!({
            "Sid": input.label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(input.aws_account_ids.iter().map(principal)) },
            "Action": one_or_many(input.actions.iter().map(|action| format!("SQS:{action}"))),
            "Resource": row.key.arn(),
        }));
        keep(tx, call, &row, Some(policy.to_string()));
        Ok(AddPermissionOutput {})
    }
}

fn check(input: &AddPermissionRequest) -> Result<(), AwsError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if input.label.is_empty() || input.label.len() > 80 || !input.label.bytes().all(letter) {
        let reason = "It can include alphanumeric characters, hyphens, or underscores. 1 to 80 in \
                      length.";
        return Err(invalid_value(&input.label, "Label", reason));
    }
    if input.aws_account_ids.is_empty() {
        return Err(missing("AWSAccountIds"));
    }
    if input.actions.is_empty() {
        return Err(missing("Actions"));
    }
    let is_account = |id: &&String| id.parse::<AccountId>().is_err();
    if let Some(id) = input.aws_account_ids.iter().find(is_account) {
        return Err(invalid_value(id, "PrincipalId", "Unable to verify."));
    }
    if input.actions.len() > ACTIONS_MAX {
        let count = input.actions.len();
        return Err(over_limit(format!(
            "{count} Actions were found, maximum allowed is {ACTIONS_MAX}."
        )));
    }
    match input.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        Some(action) => {
            let reason = "Please refer to the appropriate WSDL for a list of valid actions.";
            Err(invalid_value(format!("SQS:{action}"), "ActionName", reason))
        }
        None => Ok(()),
    }
}

/// AWS docs: *Amazon SQS API Reference > RemovePermission*.
impl Command<RemovePermission> for Sqs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: RemovePermissionRequest,
    ) -> Answer<RemovePermission> {
        let row = find(tx, call, &input.queue_url)?;
        let mut policy = policy_of(&row);
        let statements = statements(&mut policy);
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != input.label.as_str());
        if statements.len() == before {
            let reason = "can't find label on existing policy.";
            return Err(invalid_value(&input.label, "Label", reason));
        }
        let is_empty = statements.is_empty();
        keep(tx, call, &row, (!is_empty).then(|| policy.to_string()));
        Ok(RemovePermissionOutput {})
    }
}

fn keep(tx: &mut Tx, call: &Call, row: &QueueRow, policy: Option<String>) {
    let mut row = row.clone();
    row.settings.policy = policy;
    row.modified_at = call.now;
    tx.put(row);
}

fn policy_of(row: &QueueRow) -> Value {
    let there = row.settings.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
    there.unwrap_or_else(|| {
        json!({
            "Version": "2008-10-17",
            "Id": format!("{}/SQSDefaultPolicy", row.key.arn()),
            "Statement": [],
        })
    })
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
