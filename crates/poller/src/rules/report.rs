//! `ReportBatchItemFailures`: what a consumer's answer says of the records of its batch. AWS
//! docs: *Implementing partial batch responses*.

use std::collections::BTreeSet;

use serde_json::Value;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// All is done.
    Done,
    /// These failed.
    Failed(BTreeSet<String>),
    /// The answer cannot be understood: all failed.
    Malformed,
}

/// Reads an answer. Nothing, an empty answer and an empty list are success; a list that names
/// no record of the batch, an empty or missing identifier and anything else are failure.
pub fn read(answer: &[u8], known: impl Fn(&str) -> bool) -> Report {
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Report::Done;
    }
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Report::Malformed };
    let failures = match &answer {
        Value::Null => return Report::Done,
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return Report::Done,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Report::Malformed,
        },
        // A handler that answers a plain text or number reports nothing.
        Value::String(text) if text.is_empty() => return Report::Done,
        _ => return Report::Malformed,
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        match failure["itemIdentifier"].as_str() {
            Some(id) if !id.is_empty() && known(id) => drop(failed.insert(id.to_owned())),
            _ => return Report::Malformed,
        }
    }
    if failed.is_empty() { Report::Done } else { Report::Failed(failed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(answer: &str) -> Report {
        read(answer.as_bytes(), |id| ["a", "b"].contains(&id))
    }

    #[test]
    fn nothing_and_an_empty_list_are_success() {
        let lists = [r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#];
        for answer in ["", " ", "null", "{}", "\"\""].into_iter().chain(lists) {
            assert_eq!(report(answer), Report::Done, "{answer}");
        }
    }

    #[test]
    fn records_are_named_by_their_ids() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(report(answer), Report::Failed(["b".to_owned()].into()));
    }

    #[test]
    fn what_cannot_be_understood_fails_the_whole_batch() {
        for answer in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":"a"}"#,
            "{",
            "7",
        ] {
            assert_eq!(report(answer), Report::Malformed, "{answer}");
        }
    }
}
