//! The platform's own log lines, as text and as JSON. AWS docs: *Telemetry API event schema
//! reference*, *Working with Lambda function logs*.

use std::time::Duration;

use haar_types::Timestamp;
use serde_json::{Map, Value, json};

use crate::fleet::{FunctionTarget, LogFormat, SystemLevel};

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
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// The function's own error.
    Error,
    /// The platform noticed it.
    Failure(&'static str),
    Timeout,
}

impl Status {
    fn json(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
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
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// How an initialization failed.
#[derive(Clone, Debug)]
pub(crate) struct InitReport {
    pub(crate) phase: InitPhase,
    pub(crate) duration: Duration,
    /// `None`: it took too long.
    pub(crate) error_type: Option<String>,
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
    pub(crate) produced_bytes: usize,
    pub(crate) trace: Option<String>,
}

impl Lines {
    pub(crate) fn new(
        target: &FunctionTarget,
        runtime_version: &str,
        initialization_type: &'static str,
    ) -> Self {
        let hash: String = {
            use sha2::{Digest, Sha256};
            let digest = Sha256::digest(runtime_version.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        Self {
            format: target.logging.format,
            level: target.logging.system_level,
            version: target.version.clone(),
            function_name: target.function_name.clone(),
            memory_mb: target.memory.0,
            runtime_version: runtime_version.to_owned(),
            runtime_version_arn: format!("arn:aws:lambda:{}::runtime:{hash}", target.region),
            initialization_type,
        }
    }

    pub(crate) fn init_start(&self, at: Timestamp) -> Option<String> {
        match self.format {
            LogFormat::Text => Some(format!(
                "INIT_START Runtime Version: {}\tRuntime Version ARN: {}",
                self.runtime_version, self.runtime_version_arn
            )),
            LogFormat::Json => {
                let record = json!({
                    "initializationType": self.initialization_type, "phase": "init",
                    "runtimeVersion": self.runtime_version,
                    "runtimeVersionArn": self.runtime_version_arn,
                    "functionName": self.function_name, "functionVersion": self.version,
                    "instanceMaxMemory": self.memory_mb << 20,
                });
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

    /// Text has this line for failures alone.
    pub(crate) fn init_report(&self, at: Timestamp, report: &InitReport) -> Option<String> {
        let status = match report.error_type {
            Some(_) => "error",
            None => "timeout",
        };
        let phase = report.phase.name();
        match self.format {
            LogFormat::Text => {
                let duration = millis(report.duration);
                let mut line = format!(
                    "INIT_REPORT Init Duration: {duration:.2} ms\tPhase: {phase}\tStatus: {status}"
                );
                if let Some(error_type) = &report.error_type {
                    line += &format!("\tError Type: {error_type}");
                }
                Some(line)
            }
            LogFormat::Json => {
                let mut record = json!({
                    "initializationType": self.initialization_type, "phase": phase,
                    "status": status, "metrics": { "durationMs": rounded(report.duration) },
                });
                if let Some(error_type) = &report.error_type {
                    record["errorType"] = json!(error_type);
                }
                self.json(SystemLevel::Warn, "platform.initReport", at, record)
            }
        }
    }

    pub(crate) fn start(&self, at: Timestamp, request_id: &str) -> Option<String> {
        let version = &self.version;
        match self.format {
            LogFormat::Text => Some(format!("START RequestId: {request_id} Version: {version}")),
            LogFormat::Json => {
                let record = json!({ "requestId": request_id, "version": version });
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

    /// END and REPORT, or their documents.
    pub(crate) fn end(&self, at: Timestamp, report: &Report) -> Vec<String> {
        match self.format {
            LogFormat::Text => {
                vec![format!("END RequestId: {}", report.request_id), self.report_text(report)]
            }
            LogFormat::Json => {
                let done = self.runtime_done(at, report);
                done.into_iter().chain(self.report_json(at, report)).collect()
            }
        }
    }

    fn report_text(&self, report: &Report) -> String {
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
        match report.status {
            Status::Success | Status::Error => {}
            Status::Failure(kind) => line += &format!("Status: error\tError Type: {kind}\t"),
            Status::Timeout => line += "Status: timeout\t",
        }
        if let Some(trace) = &report.trace {
            line += &format!("\nXRAY TraceId: {}\t", trace_root(trace));
        }
        line
    }

    fn runtime_done(&self, at: Timestamp, report: &Report) -> Option<String> {
        let level = match report.status {
            Status::Success => SystemLevel::Debug,
            _ => SystemLevel::Warn,
        };
        let mut record = Map::new();
        record.insert("requestId".into(), json!(report.request_id));
        record.insert("status".into(), json!(report.status.json()));
        if let Some(error_type) = &report.error_type {
            record.insert("errorType".into(), json!(error_type));
        }
        let metrics = json!({
            "durationMs": rounded(report.duration), "producedBytes": report.produced_bytes,
        });
        record.insert("metrics".into(), metrics);
        self.json(level, "platform.runtimeDone", at, record.into())
    }

    fn report_json(&self, at: Timestamp, report: &Report) -> Option<String> {
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
        if let Some(trace) = &report.trace {
            record["tracing"] = json!({ "type": "X-Amzn-Trace-Id", "value": trace });
        }
        self.json(report.status.level(), "platform.report", at, record)
    }

    fn json(&self, level: SystemLevel, kind: &str, at: Timestamp, record: Value) -> Option<String> {
        let document = || json!({ "time": at.iso_millis(), "type": kind, "record": record });
        (level >= self.level).then(|| document().to_string())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn rounded(duration: Duration) -> f64 {
    (millis(duration) * 1000.0).round() / 1000.0
}

fn trace_root(trace: &str) -> &str {
    let parts = trace.split(';');
    parts.filter_map(|part| part.strip_prefix("Root=")).next().unwrap_or(trace)
}
