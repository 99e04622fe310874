//! The platform's own log lines, as text and as JSON. AWS docs: *Telemetry API event schema
//! reference*, *Working with Lambda function logs*.

use std::time::Duration;

use haar_types::Timestamp;
use serde_json::{Value, json};

use super::records::{ExtensionState, Start, Subscribed};
use crate::fleet::{FunctionTarget, LogFormat, SystemLevel};
use crate::rules::settings::runtime_version_arn;
use crate::telemetry::Api;

/// Writes lines for one environment.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) format: LogFormat,
    pub(crate) level: SystemLevel,
    pub(crate) version: String,
    pub(crate) function_name: String,
    pub(crate) memory_mb: u64,
    /// `python:3.12`
    pub(crate) runtime_version: String,
    pub(crate) runtime_version_arn: String,
    /// `on-demand` or `provisioned-concurrency`
    pub(crate) initialization_type: &'static str,
    pub(crate) phase: InitPhase,
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// The function's own error.
    Error,
    /// Its own error too, before it saw an event: REPORT names it.
    Stillborn,
    /// The platform noticed it.
    Failure(&'static str),
    Timeout,
}

impl Status {
    pub(super) fn json(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error | Self::Stillborn => "error",
            Self::Failure(_) => "failure",
            Self::Timeout => "timeout",
        }
    }

    fn level(self) -> SystemLevel {
        if self == Self::Success { SystemLevel::Info } else { SystemLevel::Warn }
    }
}

/// Where an initialization took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitPhase {
    /// Before the invocation.
    Init,
    /// Again, as part of the invocation.
    Invoke,
}

impl InitPhase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// How an initialization went.
#[derive(Clone, Debug)]
pub(crate) struct InitReport {
    pub(crate) duration: Duration,
    /// `Success`, `Error` or `Timeout`.
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
}

/// How an invocation went for the runtime: known when it polls again, before its extensions
/// have finished.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) request_id: String,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
    pub(crate) duration: Duration,
    pub(crate) produced_bytes: usize,
    pub(crate) spans: Vec<Span>,
}

/// A part of an invocation's time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) start: Timestamp,
    pub(crate) duration: Duration,
}

/// How an invocation went.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) request_id: String,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
    pub(crate) duration: Duration,
    pub(crate) billed_ms: u64,
    pub(crate) memory_used_mb: u64,
    pub(crate) init: Option<Duration>,
}

impl Lines {
    pub(crate) fn new(
        target: &FunctionTarget,
        runtime_version: &str,
        initialization_type: &'static str,
        phase: InitPhase,
    ) -> Self {
        Self {
            format: target.logging.format,
            level: target.logging.system_level,
            version: target.version.clone(),
            function_name: target.function_name.clone(),
            memory_mb: target.memory.0,
            runtime_version: runtime_version.to_owned(),
            runtime_version_arn: runtime_version_arn(target.region.as_str(), &target.runtime),
            initialization_type,
            phase,
        }
    }

    pub(crate) fn init_start(&self, at: Timestamp) -> Option<String> {
        match self.format {
            LogFormat::Text if self.runtime_version.is_empty() => None, // an image has no runtime
            LogFormat::Text => Some(format!(
                "INIT_START Runtime Version: {}\tRuntime Version ARN: {}",
                self.runtime_version, self.runtime_version_arn
            )),
            LogFormat::Json => {
                let record = self.init_start_record();
                self.json(SystemLevel::Info, "platform.initStart", at, record)
            }
        }
    }

    /// A warning of haar's own, such as a runtime that another stands in for.
    pub(crate) fn warning(&self, at: Timestamp, text: &str) -> Option<String> {
        match self.format {
            LogFormat::Text => Some(format!("[WARNING] {text}")),
            LogFormat::Json => {
                let line =
                    json!({ "timestamp": at.iso_millis(), "level": "WARN", "message": text });
                Some(line.to_string())
            }
        }
    }

    /// The runtime has initialized, or failed to. JSON has this document alone.
    pub(crate) fn init_runtime_done(&self, at: Timestamp, error: Option<&str>) -> Option<String> {
        let level = if error.is_some() { SystemLevel::Warn } else { SystemLevel::Debug };
        let record = || self.init_runtime_done_record(error);
        (self.format == LogFormat::Json)
            .then(|| self.json(level, "platform.initRuntimeDone", at, record()))
            .flatten()
    }

    /// What is wrong with the function's program.
    pub(crate) fn fault(&self, at: Timestamp, text: &str) -> Option<String> {
        match self.format {
            LogFormat::Text => Some(text.to_owned()),
            LogFormat::Json => {
                let line =
                    json!({ "timestamp": at.iso_millis(), "level": "ERROR", "message": text });
                Some(line.to_string())
            }
        }
    }

    /// Text has this line for failures alone.
    pub(crate) fn init_report(&self, at: Timestamp, report: &InitReport) -> Option<String> {
        let level = match report.status {
            Status::Success if self.initialization_type == "on-demand" => SystemLevel::Debug,
            Status::Success => SystemLevel::Info,
            _ => SystemLevel::Warn,
        };
        match self.format {
            LogFormat::Text if report.status == Status::Success => None,
            LogFormat::Text => {
                let (duration, phase) = (millis(report.duration), self.phase.name());
                let status = report.status.json();
                let mut line = format!(
                    "INIT_REPORT Init Duration: {duration:.2} ms\tPhase: {phase}\tStatus: {status}"
                );
                if let Some(error_type) = &report.error_type {
                    line += &format!("\tError Type: {error_type}");
                }
                Some(line)
            }
            LogFormat::Json => {
                let record = self.init_report_record(report);
                self.json(level, "platform.initReport", at, record)
            }
        }
    }

    /// An extension is ready, or is not. AWS docs: *Lambda Extensions API > Failure handling*.
    pub(crate) fn extension(&self, at: Timestamp, extension: &ExtensionState) -> Option<String> {
        let ExtensionState { name, events, state, error_type } = extension;
        let level = if error_type.is_some() { SystemLevel::Warn } else { SystemLevel::Info };
        match self.format {
            LogFormat::Text => {
                let events = events.join(",");
                let mut line =
                    format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{events}]");
                if let Some(error_type) = error_type {
                    line += &format!("\tError Type: {error_type}");
                }
                Some(line)
            }
            LogFormat::Json => self.json(level, "platform.extension", at, extension.record()),
        }
    }

    /// An extension has subscribed to telemetry.
    pub(crate) fn subscribed(&self, at: Timestamp, subscribed: &Subscribed) -> Option<String> {
        let Subscribed { name, api, types } = subscribed;
        match self.format {
            LogFormat::Text => {
                let api = if *api == Api::Telemetry { "TELEMETRY" } else { "LOGS" };
                let types: Vec<String> = types.iter().map(|name| capital(name)).collect();
                let types = types.join(", ");
                Some(format!("{api}\tName: {name}\tState: Subscribed\tTypes: [{types}]"))
            }
            LogFormat::Json => {
                let kind = match api {
                    Api::Telemetry => "platform.telemetrySubscription",
                    Api::Logs => "platform.logsSubscription",
                };
                self.json(SystemLevel::Info, kind, at, subscribed.record())
            }
        }
    }

    pub(crate) fn start(&self, at: Timestamp, start: &Start) -> Option<String> {
        let (version, request_id) = (&self.version, &start.request_id);
        match self.format {
            LogFormat::Text => Some(format!("START RequestId: {request_id} Version: {version}")),
            LogFormat::Json => {
                let record = self.start_record(request_id, start.sampled());
                self.json(SystemLevel::Info, "platform.start", at, record)
            }
        }
    }

    /// The line of a timeout, in text.
    pub(crate) fn timed_out(&self, at: Timestamp, id: &str, limit: Duration) -> Option<String> {
        let seconds = limit.as_secs_f64();
        (self.format == LogFormat::Text)
            .then(|| format!("{} {id} Task timed out after {seconds:.2} seconds", at.iso_millis()))
    }

    /// The runtime is done with an invocation. JSON has this document alone.
    pub(crate) fn runtime_done(&self, at: Timestamp, done: &Done, start: &Start) -> Option<String> {
        if self.format == LogFormat::Text {
            return None;
        }
        let level = match done.status {
            Status::Success => SystemLevel::Debug,
            _ => SystemLevel::Warn,
        };
        let record = self.runtime_done_record(done, start.sampled());
        self.json(level, "platform.runtimeDone", at, record)
    }

    /// END and REPORT, or the report's document.
    pub(crate) fn end(&self, at: Timestamp, report: &Report, start: &Start) -> Vec<String> {
        match self.format {
            LogFormat::Text => vec![
                format!("END RequestId: {}", report.request_id),
                self.report_text(report, start),
            ],
            LogFormat::Json => {
                let record = self.report_record(report, start.sampled());
                let document = self.json(report.status.level(), "platform.report", at, record);
                document.into_iter().collect()
            }
        }
    }

    fn report_text(&self, report: &Report, start: &Start) -> String {
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t\
             Max Memory Used: {} MB\t",
            report.request_id,
            millis(report.duration),
            report.billed_ms,
            self.memory_mb,
            report.memory_used_mb
        );
        if let Some(init) = report.init {
            line += &format!("Init Duration: {:.2} ms\t", millis(init));
        }
        let failed_by = match report.status {
            Status::Stillborn => Some(report.error_type.as_deref().unwrap_or_default()),
            Status::Failure(kind) => Some(kind),
            Status::Timeout => {
                line += "Status: timeout\t";
                None
            }
            Status::Success | Status::Error => None,
        };
        if let Some(kind) = failed_by {
            line += &format!("Status: error\tError Type: {kind}\t");
        }
        if let Some(trace) = start.sampled() {
            line += &trace.report_text();
        }
        line
    }

    fn json(&self, level: SystemLevel, kind: &str, at: Timestamp, record: Value) -> Option<String> {
        let document = || json!({ "time": at.iso_millis(), "type": kind, "record": record });
        (level >= self.level).then(|| document().to_string())
    }
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// `Platform`
fn capital(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_ascii_uppercase() + rest
}
