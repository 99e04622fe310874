//! Condition keys: what events, patterns and targets say of themselves. AWS docs: *Amazon
//! EventBridge User Guide > Using IAM policy conditions in Amazon EventBridge*.

use haar_kernel::{Call, request_tags};
use haar_ledger::Snapshot;
use haar_wire::{Json, Shape, json_member, structures, text_member};

use crate::state::{RuleKey, RuleRow};

/// A condition key with its values.
type Key = (String, Vec<String>);

/// Parts of an event that policies may name, and where an event pattern has them.
const OF_PATTERNS: &[(&str, &[&str])] = &[
    ("events:source", &["source"]),
    ("events:detail-type", &["detail-type"]),
    ("events:detail.service", &["detail", "service"]),
    ("events:detail.eventTypeCode", &["detail", "eventTypeCode"]),
    ("events:detail.userIdentity.principalId", &["detail", "userIdentity", "principalId"]),
];

/// The keys of a call.
pub(super) fn of_call(operation: &str, input: &dyn Shape) -> Vec<Key> {
    let mut keys = request_tags(&json_member(input, "Tags"), &Json::Null);
    let entries = structures(input, "Entries");
    for (member, key) in [("Source", "events:source"), ("DetailType", "events:detail-type")] {
        let named = entries.iter().filter_map(|entry| text_member(*entry, member));
        keys.push((key.to_owned(), named.collect()));
    }
    match operation {
        "PutRule" => {
            let pattern = text_member(input, "EventPattern").unwrap_or_default();
            let pattern: Json = serde_json::from_str(&pattern).unwrap_or_default();
            keys.extend(
                OF_PATTERNS.iter().map(|(key, at)| ((*key).to_owned(), named(&pattern, at))),
            );
        }
        "PutTargets" => {
            let targets = structures(input, "Targets").into_iter();
            let arns = targets.filter_map(|target| text_member(target, "Arn")).collect();
            keys.push(("events:TargetArn".to_owned(), arns));
        }
        _ => {}
    }
    keys.retain(|(_, values)| !values.is_empty());
    keys
}

/// The texts that a pattern asks for by themselves; what a filter lets through has no name.
fn named(pattern: &Json, at: &[&str]) -> Vec<String> {
    let found = at.iter().fold(pattern, |json, name| &json[*name]);
    let texts = found.as_array().into_iter().flatten().filter_map(Json::as_str);
    texts.map(str::to_owned).collect()
}

/// Whose a rule is: of the account that made it, or is about to.
pub(super) fn of_rule(call: &Call, snapshot: &Snapshot, resource: &str) -> Option<Key> {
    let row = snapshot.get::<RuleRow>(&RuleKey::of_arn(resource)?);
    let account = row.map_or_else(|| call.account.to_string(), |row| row.created_by.to_string());
    Some(("events:creatorAccount".to_owned(), vec![account]))
}
