//! Who enriches events, and what becomes of the answers.
//!
//! AWS docs: *Event enrichment in Amazon EventBridge Pipes*.

use haar_wire::AwsError;
use serde_json::Value;

use crate::refusal::{invalid_field, not_here};

/// Bytes of an answer at most.
pub(crate) const ANSWER_BYTES_MAX: usize = 6 << 20;

/// What an enrichment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnrichmentKind {
    Function,
    Destination,
}

impl EnrichmentKind {
    /// Events that it takes at once.
    pub(crate) fn batch_max(self) -> usize {
        match self {
            Self::Function => usize::MAX,
            Self::Destination => 1,
        }
    }
}

/// Reads an enrichment's kind off its ARN.
pub(crate) fn check(arn: &str) -> Result<EnrichmentKind, AwsError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        [_, _, "lambda", _, _, named] if named.starts_with("function:") => {
            Ok(EnrichmentKind::Function)
        }
        [_, _, "events", _, _, named] if named.starts_with("api-destination/") => {
            Ok(EnrichmentKind::Destination)
        }
        [_, _, "states", ..] => Err(not_here("state machines as enrichments")),
        [_, _, "execute-api", ..] => Err(not_here("APIs of API Gateway as enrichments")),
        _ => Err(invalid_field("Enrichment", format!("{arn} is not a supported enrichment."))),
    }
}

/// The events of an answer: those of a list, or the answer itself, be it JSON or not. An empty
/// answer (nothing, `""`, `{}`, `[]`, and *ours*, `null`) has none, and no target is called.
pub(crate) fn events(answer: &[u8]) -> Vec<Value> {
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Vec::new();
    }
    match serde_json::from_slice(answer) {
        Ok(Value::Array(events)) => events,
        Ok(Value::Null) => Vec::new(),
        Ok(Value::String(text)) if text.is_empty() => Vec::new(),
        Ok(Value::Object(members)) if members.is_empty() => Vec::new(),
        Ok(event) => vec![event],
        Err(_) => vec![Value::String(String::from_utf8_lossy(answer).into_owned())],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_answers_leave_nothing_and_a_list_of_one_empty_object_is_an_event() {
        for empty in ["", " ", "\"\"", "{}", "[]", "null"] {
            assert!(events(empty.as_bytes()).is_empty(), "{empty}");
        }
        assert_eq!(events(b"[{}]"), [json!({})]);
        assert_eq!(events(b"[1, {\"a\": 2}]"), [json!(1), json!({"a": 2})]);
        assert_eq!(events(b"{\"a\": 2}"), [json!({"a": 2})]);
        assert_eq!(events(b"plain text"), [json!("plain text")]);
    }

    #[test]
    fn functions_and_destinations_enrich() {
        let arn = |rest: &str| format!("arn:aws:{rest}");
        let function = arn("lambda:us-east-1:000000000000:function:f");
        assert_eq!(check(&function), Ok(EnrichmentKind::Function));
        let destination = arn("events:us-east-1:000000000000:api-destination/d/i");
        assert_eq!(check(&destination), Ok(EnrichmentKind::Destination));
        let machine = arn("states:us-east-1:000000000000:stateMachine:s");
        assert_eq!(check(&machine).unwrap_err().name(), "NotImplemented");
        assert_eq!(check("arn:aws:s3:::b").unwrap_err().name(), "ValidationException");
    }
}
