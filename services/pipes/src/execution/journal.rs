//! What executions tell their logs.
//!
//! AWS docs: *Logging Amazon EventBridge Pipes performance*.

use std::sync::Arc;

use bytes::Bytes;
use haar_iam_contract::sender::service_sender;
use haar_kernel::targets::Consignment;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_pipes_contract::model::{LogLevel, PipeLogConfiguration};
use haar_types::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::Pipes;
use crate::state::{PipeKey, PipeRow};

/// Who writes logs to buckets.
const LOG_DELIVERY: &str = "delivery.logs.amazonaws.com";
/// Bytes of one field of execution data. *Ours*: AWS documents the record's bound alone, 256 KB.
const FIELD_MAX: usize = 80 << 10;

/// The records of one execution.
pub(super) struct Journal {
    execution_id: String,
    pipe_arn: String,
    level: LogLevel,
    has_data: bool,
    lines: Mutex<Vec<(Timestamp, Value)>>,
}

/// Execution data of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data<'a> {
    Payload(&'a Value),
    Request(&'a Value),
    Response(&'a Value),
}

impl Journal {
    pub(super) fn new(execution_id: String, row: &PipeRow) -> Self {
        let config = row.logging.as_ref();
        let given = config.and_then(|config| config.include_execution_data.as_deref());
        Self {
            execution_id,
            pipe_arn: row.key.arn(),
            level: config.and_then(|config| config.level).unwrap_or(LogLevel::Off),
            has_data: given.is_some_and(|given| !given.is_empty()),
            lines: Mutex::default(),
        }
    }

    /// True where records of a level carry data, so that it is worth making.
    pub(super) fn wants_data(&self, level: LogLevel) -> bool {
        self.has_data && rank(level) <= rank(self.level)
    }

    /// A step that goes well; those of stages are told at `INFO`, those within at `TRACE`.
    pub(super) fn step(&self, now: Timestamp, step: &str, data: &[Data<'_>]) {
        let level = match step.contains("_TRANSFORMATION_") || step.contains("_INVOCATION_") {
            true => LogLevel::Trace,
            false => LogLevel::Info,
        };
        self.record(now, level, step, data, None);
    }

    /// A step that fails, or fails in part.
    pub(super) fn failed(&self, now: Timestamp, step: &str, failure: &Failure) {
        self.record(now, LogLevel::Error, step, &[], Some(failure));
    }

    fn record(
        &self,
        now: Timestamp,
        level: LogLevel,
        step: &str,
        data: &[Data<'_>],
        failure: Option<&Failure>,
    ) {
        if rank(level) > rank(self.level) {
            return;
        }
        let mut line = json!({
            "resourceArn": self.pipe_arn,
            "timestamp": now.0,
            "executionId": self.execution_id,
            "messageType": step,
            "logLevel": level.as_str(),
        });
        let mut truncated = Vec::new();
        for one in data.iter().filter(|_| self.has_data) {
            let (name, value) = match one {
                Data::Payload(value) => ("payload", value),
                Data::Request(value) => ("awsRequest", value),
                Data::Response(value) => ("awsResponse", value),
            };
            let mut text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if text.len() > FIELD_MAX {
                let end = (0..=FIELD_MAX).rev().find(|at| text.is_char_boundary(*at));
                text.truncate(end.unwrap_or(0));
                truncated.push(name);
            }
            line[name] = json!(text);
        }
        if !truncated.is_empty() {
            line["truncatedFields"] = json!(truncated);
        }
        if let Some(failure) = failure {
            line["error"] = failure.shown();
        }
        self.lines.lock().push((now, line));
    }

    /// Hands the records to the pipe's destinations.
    pub(super) async fn flush(&self, room: &Pipes, row: &PipeRow) {
        let lines = std::mem::take(&mut *self.lines.lock());
        let Some(config) = row.logging.as_ref().filter(|_| !lines.is_empty()) else { return };
        to_group(room, row, config, &lines);
        self.to_bucket(room, row, config, &lines).await;
    }

    /// One object for an execution. *Ours*: AWS gathers several.
    async fn to_bucket(
        &self,
        room: &Pipes,
        row: &PipeRow,
        config: &PipeLogConfiguration,
        lines: &[(Timestamp, Value)],
    ) {
        let Some(bucket) = &config.s3_log_destination else { return };
        let Some(name) = &bucket.bucket_name else { return };
        let PipeKey { account, region, name: pipe } = &row.key;
        let (day, prefix) = (lines[0].0.strftime("%Y/%m/%d/%H"), bucket.prefix.as_deref());
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).map(|prefix| format!("{prefix}/"));
        let key = format!(
            "{}AWSLogs/{account}/vendedlogs/pipes/{region}/{pipe}/{day}/{}.log",
            prefix.unwrap_or_default(),
            self.execution_id
        );
        let body: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let sender = service_sender(account, LOG_DELIVERY, &self.pipe_arn);
        let arn = format!("arn:aws:s3:::{name}");
        let mut consignment = Consignment::new(arn, sender, region.clone(), Bytes::from(body));
        consignment.parameters = Some(json!({ "Key": key }));
        if let Err(error) = room.doors.targets.deliver(&consignment).await {
            tracing::warn!(%error, bucket = name, "logs of a pipe were not taken");
        }
    }
}

/// Into the log group; its stream is named like the pipe: *ours*.
fn to_group(
    room: &Pipes,
    row: &PipeRow,
    config: &PipeLogConfiguration,
    lines: &[(Timestamp, Value)],
) {
    let group = config.cloudwatch_logs_log_destination.as_ref();
    let group = group.and_then(|group| group.log_group_arn.as_deref()).and_then(group_of_arn);
    let sink: Option<Arc<dyn LogSink>> = room.doors.peeks.get::<dyn LogSink>();
    let (Some(group), Some(sink)) = (group, sink) else { return };
    let line = |(timestamp, line): &(Timestamp, Value)| LogLine {
        timestamp: *timestamp,
        message: line.to_string(),
    };
    let PipeKey { account, region, name } = &row.key;
    sink.append(account, region, &group, name, lines.iter().map(line).collect());
}

/// The name of a group: `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, perhaps with `:*` behind it.
pub(super) fn group_of_arn(arn: &str) -> Option<String> {
    let name = arn.splitn(6, ':').nth(5)?.strip_prefix("log-group:")?;
    Some(name.strip_suffix(":*").unwrap_or(name).to_owned())
}

fn rank(level: LogLevel) -> u8 {
    match level {
        LogLevel::Off => 0,
        LogLevel::Error => 1,
        LogLevel::Info => 2,
        LogLevel::Trace => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_its_arn() {
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/pipes/p";
        assert_eq!(group_of_arn(arn).as_deref(), Some("/aws/pipes/p"));
        assert_eq!(group_of_arn(&format!("{arn}:*")).as_deref(), Some("/aws/pipes/p"));
        assert_eq!(group_of_arn("arn:aws:s3:::b"), None);
    }
}
