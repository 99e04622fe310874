//! Events, and how each version of each API shows them. AWS docs: *Lambda Telemetry API `Event`
//! schema reference*, *Lambda Logs API > Log messages*.

use haar_types::Timestamp;
use serde_json::{Value, json};

use super::subscription::{Kind, Schema};

/// About the size of a platform event.
const PLATFORM_BYTES: usize = 512;

/// One event, as the Telemetry API has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    /// `platform.start`, `function`, …
    pub(crate) name: &'static str,
    pub(crate) record: Value,
}

impl Event {
    /// A line that the function or an extension wrote.
    pub(crate) fn line(at: Timestamp, from_extension: bool, line: &str) -> Self {
        let name = if from_extension { "extension" } else { "function" };
        Self { at, name, record: json!(line) }
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.record.as_str().map_or(PLATFORM_BYTES, str::len)
    }

    /// What a subscriber must have asked for to get it.
    pub(super) fn kind(&self) -> Kind {
        match self.name {
            "function" => Kind::Function,
            "extension" => Kind::Extension,
            _ => Kind::Platform,
        }
    }

    /// As one API shows it: nothing, one document, or two.
    pub(super) fn documents(&self, schema: Schema, json_lines: bool) -> Vec<String> {
        let shown = |name: &str, record: Value| {
            json!({ "time": self.at.iso_millis(), "type": name, "record": record }).to_string()
        };
        match schema {
            Schema::Logs2020 | Schema::Logs2021 => {
                let shapes = self.in_logs_api(schema);
                shapes.into_iter().map(|(name, record)| shown(name, record)).collect()
            }
            // this name is the Logs API's alone
            _ if self.name == "platform.fault" => Vec::new(),
            Schema::Telemetry2022December if json_lines && self.name == "function" => {
                vec![shown(self.name, document_of(&self.record))]
            }
            _ => vec![shown(self.name, self.record.clone())],
        }
    }

    fn in_logs_api(&self, schema: Schema) -> Vec<(&'static str, Value)> {
        let id = || json!({ "requestId": self.record["requestId"] });
        match self.name {
            "platform.initStart" | "platform.initRuntimeDone" | "platform.initReport" => Vec::new(),
            "platform.start" => vec![(self.name, id())],
            "platform.runtimeDone" if schema == Schema::Logs2020 => Vec::new(),
            "platform.runtimeDone" => {
                let mut record = id();
                record["status"] = match self.record["status"].as_str() {
                    Some("error") => json!("failure"),
                    _ => self.record["status"].clone(),
                };
                vec![(self.name, record)]
            }
            "platform.report" => {
                let mut report = id();
                report["metrics"] = self.record["metrics"].clone();
                vec![("platform.end", id()), (self.name, report)]
            }
            "platform.telemetrySubscription" => {
                vec![("platform.logsSubscription", self.record.clone())]
            }
            _ => vec![(self.name, self.record.clone())],
        }
    }
}

/// The object that a line holds, if it holds one.
fn document_of(record: &Value) -> Value {
    let parsed = record.as_str().and_then(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(Value::is_object).unwrap_or_else(|| record.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(event: &Event, schema: Schema) -> Vec<Value> {
        let documents = event.documents(schema, true);
        documents.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    #[test]
    fn a_json_line_is_an_object_from_december_2022_on() {
        let line = Event::line(Timestamp(0), false, r#"{"level":"INFO"}"#);
        let old = shown(&line, Schema::Telemetry2022July);
        assert_eq!(old[0]["record"], json!(r#"{"level":"INFO"}"#));
        let new = shown(&line, Schema::Telemetry2022December);
        assert_eq!(new[0]["record"], json!({ "level": "INFO" }));
        assert_eq!(new[0]["time"], "1970-01-01T00:00:00.000Z");
        let text = Event::line(Timestamp(0), false, "[1]");
        assert_eq!(shown(&text, Schema::Telemetry2022December)[0]["record"], "[1]");
    }

    #[test]
    fn the_logs_api_has_shapes_of_its_own() {
        let record = json!({ "requestId": "r", "status": "error", "metrics": { "durationMs": 1 } });
        let event = |name| Event { at: Timestamp(0), name, record: record.clone() };
        let report = shown(&event("platform.report"), Schema::Logs2020);
        assert_eq!(
            (&report[0]["type"], &report[1]["type"]),
            (&json!("platform.end"), &json!("platform.report"))
        );
        assert_eq!(
            report[1]["record"],
            json!({ "requestId": "r", "metrics": { "durationMs": 1 } })
        );
        let done = event("platform.runtimeDone");
        assert!(shown(&done, Schema::Logs2020).is_empty());
        let failure = json!({ "requestId": "r", "status": "failure" });
        assert_eq!(shown(&done, Schema::Logs2021)[0]["record"], failure);
        assert!(shown(&event("platform.initStart"), Schema::Logs2021).is_empty());
        assert!(shown(&event("platform.fault"), Schema::Telemetry2022July).is_empty());
    }
}
