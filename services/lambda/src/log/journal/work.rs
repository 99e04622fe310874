//! The loop that writes one environment's log stream.

use std::future::poll_fn;
use std::sync::Arc;

use futures_util::FutureExt as _;
use haar_clock::Clock;
use haar_cloudwatch_contract::peek::MetricSink;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_substrate::{SandboxId, Stdio, Substrate};
use haar_types::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::splitter::Splitter;
use super::super::{Done, InitReport, Lines, Report, Start, Status};
use super::outputs::{Outputs, Piece};
use super::{Ending, Entry, JournalParts};
use crate::doors::{CredentialSource, FunctionLog, UsageSink};
use crate::fleet::{Era, FunctionTarget, Usage, record};
use crate::telemetry::{Event, Telemetry};

/// Most bytes of log that an invocation's caller is shown.
const TAIL_BYTES_MAX: usize = 4 << 10;

/// A process that never stops writing cannot hold up an invocation's end for more than this.
const DRAIN_CHUNKS_MAX: usize = 1024;

pub(super) struct Loop {
    era: Era,
    clock: Clock,
    logs: Arc<dyn LogSink>,
    metrics: Arc<dyn MetricSink>,
    usage: Arc<dyn UsageSink>,
    credentials: Arc<dyn CredentialSource>,
    substrate: Arc<dyn Substrate>,
    target: Arc<FunctionTarget>,
    lines: Lines,
    sandbox: SandboxId,
    stream: String,
    telemetry: Arc<Telemetry>,
    outputs: Outputs,
    writers: Vec<Writer>,
    /// The invocation that was begun last.
    start: Start,
    /// How the runtime's initialization ended was told.
    init_told: bool,
    pending: Vec<LogLine>,
    tail: String,
}

/// The last lines of one container's two streams.
struct Writer {
    from_extension: bool,
    splitters: [Splitter; 2],
}

impl Loop {
    /// A loop that has yet to run.
    pub(super) fn new(parts: JournalParts, era: Era) -> Self {
        let doors = parts.doors;
        let writers = parts.outputs.iter().map(|output| Writer {
            from_extension: output.from_extension,
            splitters: Default::default(),
        });
        let writers = writers.collect();
        let outputs = Outputs::new(parts.outputs);
        Self {
            era,
            clock: doors.clock,
            logs: doors.logs,
            metrics: doors.metrics,
            usage: doors.usage,
            credentials: doors.credentials,
            substrate: doors.substrate,
            target: parts.target,
            lines: parts.lines,
            sandbox: parts.sandbox,
            stream: parts.stream,
            telemetry: parts.telemetry,
            outputs,
            writers,
            start: Start::default(),
            init_told: false,
            pending: Vec::new(),
            tail: String::new(),
        }
    }

    /// Writes until all senders are gone.
    pub(super) async fn run(mut self, mut entries: mpsc::UnboundedReceiver<Box<Entry>>) {
        loop {
            tokio::select! {
                biased;
                entry = entries.recv() => match entry {
                    Some(entry) => self.entry(*entry).await,
                    None => break,
                },
                piece = poll_fn(|context| self.outputs.poll(context)) => self.piece(&piece),
            }
            self.write();
        }
        self.drain();
        self.flush_partial();
        self.write();
    }

    async fn entry(&mut self, entry: Entry) {
        let at = self.clock.now();
        match entry {
            Entry::InitStart(warning) => {
                if let Some(line) = self.lines.init_start(at) {
                    self.log(at, line + "\n"); // on AWS no tail has this line
                }
                self.tell(at, "platform.initStart", |lines| lines.init_start_record());
                let line = warning.and_then(|text| self.lines.warning(at, &text));
                self.platform(at, line);
            }
            Entry::InitRuntimeDone(error_type) => self.init_runtime_done(at, error_type.as_deref()),
            Entry::Extension(extension) => {
                let line = self.lines.extension(at, &extension);
                self.platform(at, line);
                self.tell(at, "platform.extension", |_| extension.record());
            }
            Entry::Fault(text) => self.platform(at, self.lines.fault(at, &text)),
            Entry::Subscribed(subscribed) => {
                let line = self.lines.subscribed(at, &subscribed);
                self.platform(at, line);
                self.tell(at, "platform.telemetrySubscription", |_| subscribed.record());
            }
            Entry::InitReport(report) => self.init_report(at, &report).await,
            Entry::Start(start) => {
                let line = self.lines.start(at, &start);
                self.platform(at, line);
                self.tell(at, "platform.start", |lines| {
                    lines.start_record(&start.request_id, Some(&start.trace))
                });
                self.start = start;
            }
            Entry::TimedOut(request_id, limit) => {
                self.drain();
                let line = self.lines.timed_out(at, &request_id, limit);
                self.platform(at, line);
            }
            Entry::RuntimeDone(done) => {
                self.drain();
                self.runtime_done(&done);
            }
            Entry::End(ending) => self.end(ending).await,
            Entry::Flush(done) => {
                self.drain();
                self.flush_partial();
                self.write();
                let _ = done.send(self.tail.clone()); // whoever asked may have gone
            }
            Entry::Recall(written) => self.tail.insert_str(0, &written),
        }
    }

    fn init_runtime_done(&mut self, at: Timestamp, error: Option<&str>) {
        if std::mem::replace(&mut self.init_told, true) {
            return;
        }
        let line = self.lines.init_runtime_done(at, error);
        self.platform(at, line);
        let record = |lines: &Lines| lines.init_runtime_done_record(error);
        self.tell(at, "platform.initRuntimeDone", record);
    }

    async fn init_report(&mut self, at: Timestamp, report: &InitReport) {
        if report.status != Status::Success {
            self.drain();
            let error = report.error_type.as_deref().unwrap_or("Sandbox.Timedout");
            self.init_runtime_done(at, Some(error));
        }
        let line = self.lines.init_report(at, report);
        self.platform(at, line);
        self.tell(at, "platform.initReport", |lines| lines.init_report_record(report));
    }

    fn runtime_done(&mut self, done: &Done) {
        self.flush_partial();
        let at = self.clock.now();
        let line = self.lines.runtime_done(at, done, &self.start);
        self.platform(at, line);
        let trace = Some(&self.start.trace);
        self.tell(at, "platform.runtimeDone", |lines| lines.runtime_done_record(done, trace));
        if let Status::Failure(_) | Status::Timeout = done.status {
            let error = done.error_type.as_deref().unwrap_or_default();
            let text = format!("RequestId: {} Error: {error}", done.request_id);
            self.tell(at, "platform.fault", |_| json!(text));
        }
    }

    async fn end(&mut self, ending: Ending) {
        self.drain();
        self.flush_partial();
        let used = self.substrate.memory_peak(&self.sandbox).await.unwrap_or_default();
        let at = self.clock.now();
        let billed =
            ending.duration + ending.init.filter(|_| ending.init_billed).unwrap_or_default();
        let billed_ms = u64::try_from(billed.as_micros().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let report = Report {
            request_id: ending.request_id,
            status: ending.status,
            error_type: ending.error_type,
            duration: ending.duration,
            billed_ms,
            memory_used_mb: used.div_ceil(1 << 20).clamp(1, self.target.memory.0),
            init: ending.init,
        };
        if let Some(done) = &ending.done {
            self.runtime_done(done);
        }
        for line in self.lines.end(at, &report, &self.start) {
            self.platform(at, Some(line));
        }
        let trace = Some(&self.start.trace);
        self.tell(at, "platform.report", |lines| lines.report_record(&report, trace));
        cut_front(&mut self.tail);
        let tail = std::mem::take(&mut self.tail);
        if let Some(wanted) = ending.tail {
            let _ = wanted.send(tail); // a caller that has gone wants no tail
        }
        self.write();
        self.measure(at, &report, ending.alias.as_deref());
    }

    fn measure(&self, at: Timestamp, report: &Report, alias: Option<&str>) {
        if self.era.is_over() {
            return;
        }
        let error = if report.status == Status::Success { 0.0 } else { 1.0 };
        let duration = report.duration.as_secs_f64() * 1000.0;
        for (metric, unit, value) in [
            ("Invocations", "Count", 1.0),
            ("Errors", "Count", error),
            ("Duration", "Milliseconds", duration),
        ] {
            record(&*self.metrics, &self.target, alias, (metric, unit, value), at);
        }
        let usage = Usage {
            function_name: self.target.function_name.clone(),
            at,
            billed_ms: report.billed_ms,
            memory_mb: self.target.memory.0,
            ephemeral_mb: self.target.ephemeral_storage.0,
            provisioned: self.lines.initialization_type != "on-demand",
            architecture: self.target.architecture,
        };
        self.usage.record(&self.target.account, &self.target.region, &usage);
    }

    fn may_log(&self) -> bool {
        let target = &self.target;
        self.credentials.may_log(&FunctionLog {
            account: &target.account,
            region: &target.region,
            function_name: &target.function_name,
            role_arn: &target.role_arn,
            group: &target.logging.group,
            stream: &self.stream,
        })
    }

    /// Takes all output that has already been written.
    fn drain(&mut self) {
        for _ in 0..DRAIN_CHUNKS_MAX {
            let next = poll_fn(|context| self.outputs.poll(context)).now_or_never();
            let Some(piece) = next else { break };
            self.piece(&piece);
            self.write();
        }
    }

    fn piece(&mut self, (number, chunk): &Piece) {
        let at = self.clock.now();
        let which = usize::from(chunk.stream == Stdio::Err);
        let Some(writer) = self.writers.get_mut(*number) else { return };
        let from_extension = writer.from_extension;
        let mut lines = Vec::new();
        writer.splitters[which].push(&chunk.bytes, |line| lines.push(line));
        for line in lines {
            self.written(at, from_extension, line);
        }
    }

    fn flush_partial(&mut self) {
        let at = self.clock.now();
        let mut lines = Vec::new();
        for writer in &mut self.writers {
            let from_extension = writer.from_extension;
            for splitter in &mut writer.splitters {
                splitter.flush(|line| lines.push((from_extension, line)));
            }
        }
        for (from_extension, line) in lines {
            self.written(at, from_extension, line);
        }
    }

    /// A line that a container wrote.
    fn written(&mut self, at: Timestamp, from_extension: bool, line: String) {
        if self.telemetry.is_open() {
            self.telemetry.tell(Event::line(at, from_extension, line.trim_end_matches('\n')));
        }
        self.push(at, line);
    }

    fn platform(&mut self, at: Timestamp, line: Option<String>) {
        if let Some(line) = line {
            self.push(at, line + "\n");
        }
    }

    fn tell(&self, at: Timestamp, name: &'static str, record: impl FnOnce(&Lines) -> Value) {
        if self.telemetry.is_open() {
            self.telemetry.tell(Event { at, name, record: record(&self.lines) });
        }
    }

    fn push(&mut self, timestamp: Timestamp, message: String) {
        self.tail.push_str(&message);
        if !message.ends_with('\n') {
            self.tail.push('\n');
        }
        if self.tail.len() > 2 * TAIL_BYTES_MAX {
            cut_front(&mut self.tail);
        }
        self.log(timestamp, message);
    }

    fn log(&mut self, timestamp: Timestamp, message: String) {
        self.pending.push(LogLine { timestamp, message });
        if self.pending.len() >= 1000 {
            self.write();
        }
    }

    fn write(&mut self) {
        cut_front(&mut self.tail);
        if !self.pending.is_empty() {
            let lines = std::mem::take(&mut self.pending);
            if self.era.is_over() || !self.may_log() {
                return;
            }
            let target = &self.target;
            let (account, region) = (&target.account, &target.region);
            self.logs.append(account, region, &target.logging.group, &self.stream, lines);
        }
    }
}

/// Keeps the last [`TAIL_BYTES_MAX`] bytes.
fn cut_front(text: &mut String) {
    if text.len() > TAIL_BYTES_MAX {
        let mut from = text.len() - TAIL_BYTES_MAX;
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text.drain(..from);
    }
}
