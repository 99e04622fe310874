//! Which records failed, by what a target says of its events.
//!
//! AWS docs: *Batching and concurrency > Partial batch failure*.

use std::collections::BTreeMap;

use haar_poller::Item;
use serde_json::{Value, json};

/// The names of a batch's records: what identifies each to a target, and to its poller. Messages
/// are known by their `messageId`, records of streams by their `eventID`.
pub(crate) fn identifiers(items: &[Item]) -> BTreeMap<String, String> {
    let name = |item: &Item| identifier(&item.record).unwrap_or_else(|| item.id.clone());
    items.iter().map(|item| (name(item), item.id.clone())).collect()
}

/// What identifies an event.
pub(crate) fn identifier(event: &Value) -> Option<String> {
    ["messageId", "eventID"].iter().find_map(|member| event[*member].as_str()).map(str::to_owned)
}

/// The poller's report of the records whose events failed; `None` where one is not known, so
/// that all of them failed.
pub(crate) fn of_failed<'a>(
    failed: impl IntoIterator<Item = &'a Value>,
    known: &BTreeMap<String, String>,
) -> Option<Value> {
    let id = |event: &Value| identifier(event).and_then(|name| known.get(&name).cloned());
    let failed: Option<Vec<Value>> =
        failed.into_iter().map(|event| Some(json!({ "itemIdentifier": id(event)? }))).collect();
    Some(json!({ "batchItemFailures": failed? }))
}

/// A target's own report under the poller's names. What holds no list of failures reports
/// nothing; names that nobody knows stay, and fail the batch.
pub(crate) fn of_answer(answer: &[u8], known: &BTreeMap<String, String>) -> Value {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(mut failures) = answer.get("batchItemFailures").cloned() else { return json!({}) };
    for failure in failures.as_array_mut().into_iter().flatten() {
        if let Some(id) = failure["itemIdentifier"].as_str().and_then(|name| known.get(name)) {
            *failure = json!({ "itemIdentifier": id });
        }
    }
    json!({ "batchItemFailures": failures })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeMap<String, String> {
        [("shard:1", "1"), ("shard:2", "2")]
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .into()
    }

    #[test]
    fn failed_events_are_known_by_their_ids_or_all_failed() {
        let (event, other) = (json!({"eventID": "shard:2", "x": 1}), json!({"x": 1}));
        let report = of_failed([&event], &known()).unwrap();
        assert_eq!(report, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
        assert_eq!(of_failed([&event, &other], &known()), None);
    }

    #[test]
    fn an_answer_reports_by_event_ids_and_any_other_answer_nothing() {
        let answer =
            br#"{"batchItemFailures":[{"itemIdentifier":"shard:1"},{"itemIdentifier":"?"}]}"#;
        let expected = json!({"batchItemFailures": [
            {"itemIdentifier": "1"}, {"itemIdentifier": "?"},
        ]});
        assert_eq!(of_answer(answer, &known()), expected);
        for nothing in ["", "7", "\"done\"", "[1]", "{}"] {
            assert_eq!(of_answer(nothing.as_bytes(), &known()), json!({}), "{nothing}");
        }
        let null = of_answer(br#"{"batchItemFailures":null}"#, &known());
        assert_eq!(null, json!({"batchItemFailures": null}));
    }
}
