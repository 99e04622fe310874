//! The records of platform events: the same in JSON logs and in telemetry. AWS docs: *Lambda
//! Telemetry API `Event` schema reference*.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::lines::{Done, InitReport, Lines, Report, Span, Status, millis};
use crate::telemetry::Api;

/// An invocation that has begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) request_id: String,
    pub(crate) trace: Trace,
}

impl Start {
    /// The trace, where one is recorded.
    pub(super) fn sampled(&self) -> Option<&Trace> {
        Some(&self.trace).filter(|trace| trace.value.contains("Sampled=1"))
    }
}

/// The trace that an invocation belongs to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// As `X-Amzn-Trace-Id` has it.
    pub(crate) value: String,
    /// Names the invocation's own span.
    pub(crate) span_id: String,
}

impl Trace {
    fn record(&self) -> Value {
        json!({ "spanId": self.span_id, "type": "X-Amzn-Trace-Id", "value": self.value })
    }

    /// The end of REPORT.
    pub(super) fn report_text(&self) -> String {
        let part = |name: &str| {
            let mut parts = self.value.split(';');
            parts.find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let (root, parent) = (part("Root="), part("Parent="));
        format!("\nXRAY TraceId: {root}\tSegmentId: {parent}\tSampled: true\t")
    }
}

/// Where an extension stands when initialization ends.
#[derive(Clone, Debug)]
pub(crate) struct ExtensionState {
    pub(crate) name: String,
    /// What it registered for.
    pub(crate) events: Vec<&'static str>,
    /// `Ready`, or where it stopped.
    pub(crate) state: &'static str,
    pub(crate) error_type: Option<String>,
}

impl ExtensionState {
    pub(super) fn record(&self) -> Value {
        let mut record = json!({ "name": self.name, "state": self.state, "events": self.events });
        if let Some(error_type) = &self.error_type {
            record["errorType"] = json!(error_type);
        }
        record
    }
}

/// An extension that has subscribed to telemetry.
#[derive(Clone, Debug)]
pub(crate) struct Subscribed {
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) types: Vec<&'static str>,
}

impl Subscribed {
    pub(super) fn record(&self) -> Value {
        json!({ "name": self.name, "state": "Subscribed", "types": self.types })
    }
}

impl Lines {
    pub(super) fn init_start_record(&self) -> Value {
        let mut record = json!({
            "initializationType": self.initialization_type, "phase": self.phase.name(),
            "functionName": self.function_name, "functionVersion": self.version,
            "instanceMaxMemory": self.memory_mb << 20,
        });
        if !self.runtime_version.is_empty() {
            record["runtimeVersion"] = json!(self.runtime_version);
            record["runtimeVersionArn"] = json!(self.runtime_version_arn);
        }
        record
    }

    pub(super) fn init_runtime_done_record(&self, error: Option<&str>) -> Value {
        let status = if error.is_some() { Status::Error } else { Status::Success };
        let mut record = json!({
            "initializationType": self.initialization_type, "phase": self.phase.name(),
            "status": status.json(),
        });
        if let Some(error_type) = error {
            record["errorType"] = json!(error_type);
        }
        record
    }

    pub(super) fn init_report_record(&self, report: &InitReport) -> Value {
        let mut record = json!({
            "initializationType": self.initialization_type, "phase": self.phase.name(),
            "status": report.status.json(), "metrics": { "durationMs": rounded(report.duration) },
        });
        if let Some(error_type) = &report.error_type {
            record["errorType"] = json!(error_type);
        }
        record
    }

    pub(super) fn start_record(&self, request_id: &str, trace: Option<&Trace>) -> Value {
        let record = json!({ "requestId": request_id, "version": self.version });
        with_trace(record, trace)
    }

    pub(super) fn runtime_done_record(&self, done: &Done, trace: Option<&Trace>) -> Value {
        let mut record = Map::new();
        record.insert("requestId".into(), json!(done.request_id));
        record.insert("status".into(), json!(done.status.json()));
        if let Some(error_type) = &done.error_type {
            record.insert("errorType".into(), json!(error_type));
        }
        let metrics = json!({
            "durationMs": rounded(done.duration), "producedBytes": done.produced_bytes,
        });
        record.insert("metrics".into(), metrics);
        if !done.spans.is_empty() {
            record.insert("spans".into(), done.spans.iter().map(span).collect());
        }
        with_trace(record.into(), trace)
    }

    pub(super) fn report_record(&self, report: &Report, trace: Option<&Trace>) -> Value {
        let mut metrics = json!({
            "durationMs": rounded(report.duration),
            "billedDurationMs": report.billed_ms,
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": report.memory_used_mb,
        });
        if let Some(init) = report.init {
            metrics["initDurationMs"] = json!(rounded(init));
        }
        let mut record = json!({
            "requestId": report.request_id, "metrics": metrics, "status": report.status.json(),
        });
        if let Some(error_type) = &report.error_type {
            record["errorType"] = json!(error_type);
        }
        with_trace(record, trace)
    }
}

fn with_trace(mut record: Value, trace: Option<&Trace>) -> Value {
    if let Some(trace) = trace {
        record["tracing"] = trace.record();
    }
    record
}

fn span(span: &Span) -> Value {
    let Span { name, start, duration } = span;
    json!({ "name": name, "start": start.iso_millis(), "durationMs": rounded(*duration) })
}

fn rounded(duration: Duration) -> f64 {
    (millis(duration) * 1000.0).round() / 1000.0
}
