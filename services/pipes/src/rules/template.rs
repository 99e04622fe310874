//! Input templates, and what they look into.
//!
//! AWS docs: *Amazon EventBridge Pipes input transformation*.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_pattern::Path;
use haar_pattern::template::{self, Filling};
use serde_json::Value;

/// What a template may name beside the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) pipe_arn: &'a str,
    pub(crate) pipe_name: &'a str,
    pub(crate) source_arn: &'a str,
    pub(crate) enrichment_arn: &'a str,
    pub(crate) target_arn: &'a str,
    /// When the event came to the transformer: `2026-01-31T09:30:00Z`.
    pub(crate) ingested_at: &'a str,
}

/// The event with what its sender wrote read as JSON, where it is a JSON object or list: the
/// `body` of a queue's message, the base64 of a stream's `data`. Other texts stay as they are.
pub(crate) fn view(event: &Value, payload: Option<&str>) -> Value {
    let mut view = event.clone();
    let Some(member) = payload else { return view };
    let Some(text) = event[member].as_str() else { return view };
    let parsed = match member {
        "data" => STANDARD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        _ => serde_json::from_str(text).ok(),
    };
    if let Some(parsed) = parsed.filter(|parsed: &Value| parsed.is_object() || parsed.is_array()) {
        view[member] = parsed;
    }
    view
}

/// Fills a template for an event; `view` is what its paths look into.
pub(crate) fn fill(
    template: &str,
    event: &Value,
    view: &Value,
    around: Surroundings<'_>,
) -> String {
    template::fill(template, is_variable, |name| filling(name, event, view, around))
}

fn is_variable(name: &str) -> bool {
    name.starts_with("aws.pipes.") || (name.starts_with('$') && Path::parse(name).is_some())
}

fn filling(name: &str, event: &Value, view: &Value, around: Surroundings<'_>) -> Option<Filling> {
    let text = |text: &str| Some(Filling::Value(Value::from(text))).filter(|_| !text.is_empty());
    match name {
        "aws.pipes.pipe-arn" => text(around.pipe_arn),
        "aws.pipes.pipe-name" => text(around.pipe_name),
        "aws.pipes.source-arn" => text(around.source_arn),
        "aws.pipes.enrichment-arn" => text(around.enrichment_arn),
        "aws.pipes.target-arn" => text(around.target_arn),
        "aws.pipes.event.ingestion-time" => text(around.ingested_at),
        "aws.pipes.event" => Some(Filling::Value(event.clone())),
        // a text that came from an enrichment is no JSON: the variable has no value
        "aws.pipes.event.json" if view.is_string() => None,
        "aws.pipes.event.json" => Some(Filling::Raw(view.to_string())),
        path => Path::parse(path)?.find(view).map(Filling::Value),
    }
}

/// A text as it goes where JSON is expected: as JSON where it is, else as a JSON text.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// An event as a text where there is no template.
pub(crate) fn text(event: &Value) -> String {
    event.as_str().map_or_else(|| event.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AROUND: Surroundings<'_> = Surroundings {
        pipe_arn: "arn:aws:pipes:us-east-1:1:pipe/p",
        pipe_name: "p",
        source_arn: "arn:source",
        enrichment_arn: "",
        target_arn: "arn:target",
        ingested_at: "2026-01-31T09:30:00Z",
    };

    fn made(event: &Value, payload: Option<&str>, template: &str) -> String {
        fill(template, event, &view(event, payload), AROUND)
    }

    #[test]
    fn paths_look_into_bodies_and_data_that_are_json() {
        let message = json!({"messageId": "m", "body": "{\"id\": 5, \"list\": [\"x\", \"y\"]}"});
        let template = r#"{"id": <$.body.id>, "all": <$.body.list[*]>, "second": "<$.body.list[1]>", "m": <$.messageId>}"#;
        assert_eq!(
            made(&message, Some("body"), template),
            r#"{"id": 5, "all": ["x","y"], "second": "y", "m": "m"}"#
        );
        assert_eq!(made(&message, Some("body"), "<$.body>"), r#"{"id":5,"list":["x","y"]}"#);
        let data = STANDARD.encode(r#"{"city": "Oslo"}"#);
        let record = json!({ "data": data });
        assert_eq!(made(&record, Some("data"), "<$.data.city>"), "\"Oslo\"");
    }

    #[test]
    fn what_is_no_json_stays_a_text() {
        let message = json!({"body": "plain \"text\""});
        assert_eq!(
            made(&message, Some("body"), r#"{"b": <$.body>}"#),
            r#"{"b": "plain \"text\""}"#
        );
        assert_eq!(made(&message, Some("body"), r#""got <$.body>""#), r#""got plain \"text\"""#);
        let record = json!({ "data": STANDARD.encode("hello") });
        assert_eq!(made(&record, Some("data"), "<$.data>"), r#""aGVsbG8=""#);
        // only where the source has such a field
        assert_eq!(made(&json!({"body": "{}"}), None, "<$.body>"), r#""{}""#);
    }

    #[test]
    fn reserved_variables_tell_of_pipe_and_event() {
        let message = json!({"body": "{\"id\":5}"});
        let template = "{\"p\": <aws.pipes.pipe-name>, \"a\": \"<aws.pipes.pipe-arn>\", \
                        \"s\": <aws.pipes.source-arn>, \"t\": <aws.pipes.target-arn>, \
                        \"at\": <aws.pipes.event.ingestion-time>}";
        assert_eq!(
            serde_json::from_str::<Value>(&made(&message, Some("body"), template)).unwrap(),
            json!({
                "p": "p", "a": AROUND.pipe_arn, "s": "arn:source", "t": "arn:target",
                "at": "2026-01-31T09:30:00Z"
            })
        );
        assert_eq!(made(&message, Some("body"), "<aws.pipes.event>"), r#"{"body":"{\"id\":5}"}"#);
        assert_eq!(made(&message, Some("body"), "<aws.pipes.event.json>"), r#"{"body":{"id":5}}"#);
        assert_eq!(made(&json!("text"), None, "<aws.pipes.event.json>"), "null");
        assert_eq!(
            made(&message, Some("body"), "<other> <aws.pipes.enrichment-arn>"),
            "<other> null"
        );
    }
}
