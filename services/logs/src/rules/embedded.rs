//! Metrics that are embedded in log events. AWS docs: *CloudWatch > Specification: Embedded metric
//! format*.

use haar_logs_contract::model::StandardUnit;
use haar_types::Timestamp;
use serde_json::{Map, Value};

/// Most metrics of one directive, and most values of one metric.
const METRICS_MAX: usize = 100;

/// Most values of one event, each counted in each of its sets of dimensions. *Ours*.
const VALUES_MAX: usize = 10_000;
/// Most dimensions of one set.
const DIMENSIONS_MAX: usize = 30;
/// Characters of the time before a line of Node's `console`.
const CONSOLE_TIME_CHARS: usize = 24;
/// Longest namespace, metric name and dimension value.
const TEXT_CHARS_MAX: usize = 1024;
/// Longest name of a dimension.
const DIMENSION_CHARS_MAX: usize = 250;

/// One value that an event holds for a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Embedded<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) dimensions: Vec<(&'a str, &'a str)>,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) at: Timestamp,
}

/// Parses an event that may hold metrics; cheap for those that do not.
pub(crate) fn parse(message: &str) -> Option<Map<String, Value>> {
    if !message.contains("\"_aws\"") || !message.contains("\"CloudWatchMetrics\"") {
        return None;
    }
    serde_json::from_str(document(message)).ok()
}

/// The event without what Lambda's Node runtime sets before all that goes through `console`:
/// `2026-01-01T00:00:00.000Z`, the request's id and a level, each with a tab behind it. AWS's
/// library for Node writes its documents there.
fn document(message: &str) -> &str {
    let mut fields = message.splitn(4, '\t');
    match (fields.next(), fields.nth(1), fields.next()) {
        (Some(time), Some(level), Some(rest))
            if time.len() == CONSOLE_TIME_CHARS && time.ends_with('Z') && is_level(level) =>
        {
            rest
        }
        _ => message,
    }
}

fn is_level(text: &str) -> bool {
    ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].contains(&text)
}

/// The values in an event. What the format does not allow is left out, as on AWS.
pub(crate) fn values(root: &Map<String, Value>) -> Vec<Embedded<'_>> {
    let mut found = Vec::new();
    let Some(metadata) = root.get("_aws") else { return found };
    let Some(at) = metadata["Timestamp"].as_i64().filter(|at| *at >= 0).map(Timestamp) else {
        return found;
    };
    let directives = metadata["CloudWatchMetrics"].as_array().into_iter().flatten();
    for directive in directives.take(METRICS_MAX) {
        directed(root, directive, at, &mut found);
    }
    found
}

fn directed<'a>(
    root: &'a Map<String, Value>,
    directive: &'a Value,
    at: Timestamp,
    found: &mut Vec<Embedded<'a>>,
) {
    let Some(namespace) = text(&directive["Namespace"], TEXT_CHARS_MAX) else { return };
    let sets = match directive["Dimensions"].as_array() {
        Some(sets) if !sets.is_empty() => {
            sets.iter().take(METRICS_MAX).filter_map(|set| dimensions(root, set)).collect()
        }
        _ => vec![Vec::new()],
    };
    let metrics = directive["Metrics"].as_array().into_iter().flatten();
    for definition in metrics.take(METRICS_MAX) {
        let Some(metric) = text(&definition["Name"], TEXT_CHARS_MAX) else { continue };
        let unit = definition["Unit"].as_str().unwrap_or("None");
        let known = StandardUnit::TEXTS.iter().find(|known| **known == unit);
        let Some(unit) = known.copied() else { continue };
        for value in numbers(root.get(metric)) {
            let room = VALUES_MAX.saturating_sub(found.len());
            found.extend(sets.iter().take(room).map(|dimensions| {
                let dimensions = dimensions.clone();
                Embedded { namespace, metric, dimensions, unit, value, at }
            }));
        }
    }
}

/// The dimensions of a set with the event's values; none where one is not in it.
fn dimensions<'a>(root: &'a Map<String, Value>, set: &'a Value) -> Option<Vec<(&'a str, &'a str)>> {
    let names = set.as_array().filter(|names| names.len() <= DIMENSIONS_MAX)?;
    let one = |name: &'a Value| {
        let name = text(name, DIMENSION_CHARS_MAX)?;
        Some((name, text(root.get(name)?, TEXT_CHARS_MAX)?))
    };
    names.iter().map(one).collect()
}

/// A metric's values: a number, or a list of numbers.
fn numbers(value: Option<&Value>) -> Vec<f64> {
    match value {
        Some(Value::Array(values)) if values.len() <= METRICS_MAX => {
            values.iter().filter_map(Value::as_f64).collect()
        }
        Some(value) => value.as_f64().into_iter().collect(),
        None => Vec::new(),
    }
}

fn text(value: &Value, longest: usize) -> Option<&str> {
    let text = value.as_str()?;
    (!text.is_empty() && text.chars().count() <= longest).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(event: &Value) -> Vec<String> {
        let root = parse(&event.to_string()).unwrap();
        let one = |one: Embedded<'_>| {
            let Embedded { namespace, metric, dimensions, unit, value, at } = one;
            format!("{namespace}/{metric}/{unit}/{dimensions:?}={value}@{}", at.0)
        };
        values(&root).into_iter().map(one).collect()
    }

    fn event(directive: Value) -> Value {
        json!({ "_aws": { "Timestamp": 7, "CloudWatchMetrics": [directive] },
            "service": "shop", "stage": "prod", "count": 2, "ms": [1.5, 3], "text": "4" })
    }

    #[test]
    fn each_set_of_dimensions_has_each_value() {
        let directive = json!({ "Namespace": "app",
            "Dimensions": [["service"], ["service", "stage"], []],
            "Metrics": [{ "Name": "count" }, { "Name": "ms", "Unit": "Milliseconds" }] });
        let one = r#"[("service", "shop")]"#;
        let both = r#"[("service", "shop"), ("stage", "prod")]"#;
        let mut expected = Vec::new();
        for (metric, value) in
            [("count/None", "2"), ("ms/Milliseconds", "1.5"), ("ms/Milliseconds", "3")]
        {
            let of = |set: &str| format!("app/{metric}/{set}={value}@7");
            expected.extend([of(one), of(both), of("[]")]);
        }
        assert_eq!(shown(&event(directive)), expected);
        let plain = json!({ "Namespace": "app", "Metrics": [{ "Name": "count" }] });
        assert_eq!(shown(&event(plain)), ["app/count/None/[]=2@7"]);
    }

    #[test]
    fn a_document_may_come_through_nodes_console() {
        let event = event(json!({ "Namespace": "app", "Metrics": [{ "Name": "count" }] }));
        let line = |time: &str, level: &str| format!("{time}\tr-1\t{level}\t{event}\n");
        let parsed = parse(&line("2026-01-01T00:00:00.000Z", "INFO"));
        assert_eq!(parsed.as_ref(), event.as_object());
        assert_eq!(parse(&line("2026-01-01T00:00:00.000Z", "SHOUT")), None);
        assert_eq!(parse(&line("today", "INFO")), None);
    }

    #[test]
    fn what_the_format_does_not_allow_is_left_out() {
        let metric = json!([{ "Name": "count" }]);
        let many: Vec<_> = (0..31).map(|_| "service").collect();
        for wrong in [
            json!({ "Namespace": "", "Metrics": metric }),
            json!({ "Metrics": metric }),
            json!({ "Namespace": "app", "Dimensions": [["absent"]], "Metrics": metric }),
            json!({ "Namespace": "app", "Dimensions": [["count"]], "Metrics": metric }),
            json!({ "Namespace": "app", "Dimensions": [many], "Metrics": metric }),
            json!({ "Namespace": "app", "Metrics": [{ "Name": "text" }, { "Name": "absent" }] }),
            json!({ "Namespace": "app", "Metrics": [{ "Name": "count", "Unit": "Furlongs" }] }),
            json!("app"),
        ] {
            assert_eq!(shown(&event(wrong.clone())), [""; 0], "{wrong}");
        }
        let mut timeless = event(json!({ "Namespace": "app", "Metrics": metric }));
        timeless["_aws"]["Timestamp"] = json!("now");
        assert_eq!(shown(&timeless), [""; 0]);
        for message in ["_aws", r#"{"_aws":1}"#, r#"x {"_aws":{"CloudWatchMetrics":[]}}"#] {
            assert_eq!(parse(message), None, "{message}");
        }
    }
}
