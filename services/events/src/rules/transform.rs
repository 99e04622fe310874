//! What a target gets: the event, a part of it, a constant, or what a template makes of it.
//!
//! AWS docs: *Amazon EventBridge User Guide > Input transformation*.

use haar_events_contract::model::{InputTransformer, Target};
use haar_pattern::Path;
use haar_pattern::template::{self, Filling};
use serde_json::Value;

/// What a template may name beside its own variables.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) rule_arn: String,
    pub(crate) rule_name: String,
    /// `2026-01-31T09:30:00Z`.
    pub(crate) ingested_at: String,
}

/// The text that a target gets; `around` is asked for a template alone.
pub(crate) fn input(
    target: &Target,
    event: &Value,
    around: impl FnOnce() -> Surroundings,
) -> String {
    if let Some(constant) = &target.input {
        return constant.clone();
    }
    if let Some(path) = target.input_path.as_deref().and_then(Path::parse) {
        return path.find(event).unwrap_or_default().to_string();
    }
    match &target.input_transformer {
        Some(transformer) => fill(transformer, event, &around()),
        None => event.to_string(),
    }
}

fn fill(transformer: &InputTransformer, event: &Value, around: &Surroundings) -> String {
    let filling = |name: &str| filling(transformer, event, around, name);
    template::fill(&transformer.input_template, is_name, filling)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn filling(
    transformer: &InputTransformer,
    event: &Value,
    around: &Surroundings,
    name: &str,
) -> Option<Filling> {
    let text = |text: &str| Some(Filling::Value(Value::String(text.to_owned())));
    match name {
        "aws.events.rule-arn" => text(&around.rule_arn),
        "aws.events.rule-name" => text(&around.rule_name),
        "aws.events.event.ingestion-time" => text(&around.ingested_at),
        "aws.events.event" => {
            let mut event = event.clone();
            event.as_object_mut().map(|event| event.shift_remove("detail"));
            Some(Filling::Value(event))
        }
        "aws.events.event.json" => Some(Filling::Raw(event.to_string())),
        name => {
            let path = transformer.input_paths_map.as_ref()?.get(name)?;
            Path::parse(path)?.find(event).map(Filling::Value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            rule_arn: "arn:aws:events:us-east-1:1:rule/r".to_owned(),
            rule_name: "r".to_owned(),
            ingested_at: "2026-01-31T09:30:00Z".to_owned(),
        }
    }

    fn made(paths: &[(&str, &str)], template: &str) -> String {
        let event = json!({
            "id": "1",
            "detail": {"name": "a \"b\"", "n": 5, "tags": {"k": "v"}, "list": ["x", 1]},
        });
        let map = paths.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned()));
        let target = Target {
            input_transformer: Some(InputTransformer {
                input_paths_map: Some(map.collect()),
                input_template: template.to_owned(),
            }),
            ..Target::default()
        };
        input(&target, &event, around)
    }

    #[test]
    fn variables_become_json_or_plain_text_by_their_place() {
        let paths = [("name", "$.detail.name"), ("n", "$.detail.n"), ("tags", "$.detail.tags")];
        assert_eq!(
            made(&paths, r#"{"name": <name>, "n": <n>, "tags": <tags>}"#),
            r#"{"name": "a \"b\"", "n": 5, "tags": {"k":"v"}}"#
        );
        assert_eq!(made(&paths, r#""<name> has <n> in <tags>""#), r#""a \"b\" has 5 in {k:v}""#);
        assert_eq!(made(&paths, r#"{"q": "\"<n>\""}"#), r#"{"q": "\"5\""}"#);
    }

    #[test]
    fn reserved_variables_tell_of_rule_and_event() {
        assert_eq!(
            made(
                &[],
                r#"{"rule": <aws.events.rule-name>, "at": "<aws.events.event.ingestion-time>"}"#
            ),
            r#"{"rule": "r", "at": "2026-01-31T09:30:00Z"}"#
        );
        assert_eq!(made(&[], r#"{"e": <aws.events.event>}"#), r#"{"e": {"id":"1"}}"#);
        assert!(made(&[], r#"{"e": <aws.events.event.json>}"#).contains(r#""list":["x",1]"#));
    }

    #[test]
    fn what_is_not_there_leaves_a_hole() {
        let paths = [("gone", "$.detail.gone")];
        assert_eq!(made(&paths, r#"{"a": <gone>, "b": "x<gone>y"}"#), r#"{"a": null, "b": "xy"}"#);
        assert_eq!(made(&[], r#""1 < 2 <not a name>""#), r#""1 < 2 <not a name>""#);
    }

    #[test]
    fn constants_and_parts_are_taken_as_they_are() {
        let event = json!({"detail": {"a": "b"}});
        let part = Target { input_path: Some("$.detail.a".to_owned()), ..Target::default() };
        assert_eq!(input(&part, &event, around), "\"b\"");
        let constant = Target { input: Some("{\"x\": 1}".to_owned()), ..Target::default() };
        assert_eq!(input(&constant, &event, around), "{\"x\": 1}");
        assert_eq!(input(&Target::default(), &event, around), event.to_string());
    }
}
