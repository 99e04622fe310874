//! The loop that writes one environment's log stream.

use std::sync::Arc;
use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use haar_clock::Clock;
use haar_cloudwatch_contract::peek::MetricSink;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_substrate::{OutputChunk, SandboxId, Stdio, Substrate};
use haar_types::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::splitter::Splitter;
use super::{InitReport, Lines, Report, Status};
use crate::doors::{FleetDoors, UsageSink};
use crate::fleet::{FunctionTarget, Usage, record};

/// Most bytes of log that an invocation's caller is shown.
const TAIL_BYTES_MAX: usize = 4 << 10;

/// A process that never stops writing cannot hold up an invocation's end for more than this.
const DRAIN_CHUNKS_MAX: usize = 1024;

/// What a journal is made of.
pub(crate) struct JournalParts {
    pub(crate) doors: FleetDoors,
    pub(crate) target: Arc<FunctionTarget>,
    pub(crate) lines: Lines,
    pub(crate) sandbox: SandboxId,
    pub(crate) stream: String,
    pub(crate) outputs: Vec<BoxStream<'static, OutputChunk>>,
}

/// How an invocation ended, for its last lines, its metrics and its bill.
pub(crate) struct Ending {
    pub(crate) request_id: String,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
    pub(crate) duration: Duration,
    pub(crate) init: Option<Duration>,
    pub(crate) produced_bytes: usize,
    pub(crate) trace: Option<String>,
    pub(crate) alias: Option<String>,
    /// Whether the bill counts [`Self::init`] too.
    pub(crate) init_billed: bool,
    /// Where the log's tail is wanted.
    pub(crate) tail: Option<oneshot::Sender<String>>,
}

enum Entry {
    InitStart(Option<String>),
    InitReport(InitReport),
    Start(String),
    TimedOut(String, Duration),
    End(Box<Ending>),
    /// All that was written so far is in the log.
    Flush(oneshot::Sender<()>),
}

/// The sending half. Never blocks; entries are few (a handful for each invocation).
#[derive(Clone)]
pub(crate) struct Journal {
    entries: mpsc::UnboundedSender<Entry>,
}

impl Journal {
    /// Starts the loop; it ends when all senders and outputs are gone.
    #[allow(clippy::disallowed_methods)] // the fleet's own loop
    pub(crate) fn start(parts: JournalParts) -> Self {
        let (entries, received) = mpsc::unbounded_channel();
        tokio::spawn(Loop::new(parts).run(received));
        Self { entries }
    }

    pub(crate) fn init_start(&self, warning: Option<String>) {
        self.send(Entry::InitStart(warning));
    }

    pub(crate) fn init_report(&self, report: InitReport) {
        self.send(Entry::InitReport(report));
    }

    pub(crate) fn start_invocation(&self, request_id: &str) {
        self.send(Entry::Start(request_id.to_owned()));
    }

    pub(crate) fn timed_out(&self, request_id: &str, limit: Duration) {
        self.send(Entry::TimedOut(request_id.to_owned(), limit));
    }

    pub(crate) fn end_invocation(&self, ending: Ending) {
        self.send(Entry::End(Box::new(ending)));
    }

    /// Waits until all that was written so far is in the log.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.send(Entry::Flush(done));
        let _ = flushed.await; // a loop that has ended has flushed
    }

    fn send(&self, entry: Entry) {
        let _ = self.entries.send(entry); // the loop ends after its senders
    }
}

struct Loop {
    clock: Clock,
    logs: Arc<dyn LogSink>,
    metrics: Arc<dyn MetricSink>,
    usage: Arc<dyn UsageSink>,
    substrate: Arc<dyn Substrate>,
    target: Arc<FunctionTarget>,
    lines: Lines,
    sandbox: SandboxId,
    stream: String,
    output: Option<BoxStream<'static, OutputChunk>>,
    splitters: [Splitter; 2],
    pending: Vec<LogLine>,
    tail: String,
}

impl Loop {
    fn new(parts: JournalParts) -> Self {
        let doors = parts.doors;
        Self {
            clock: doors.clock,
            logs: doors.logs,
            metrics: doors.metrics,
            usage: doors.usage,
            substrate: doors.substrate,
            target: parts.target,
            lines: parts.lines,
            sandbox: parts.sandbox,
            stream: parts.stream,
            output: Some(futures_util::stream::select_all(parts.outputs).boxed()),
            splitters: Default::default(),
            pending: Vec::new(),
            tail: String::new(),
        }
    }

    async fn run(mut self, mut entries: mpsc::UnboundedReceiver<Entry>) {
        loop {
            let chunk = async {
                match &mut self.output {
                    Some(output) => output.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                entry = entries.recv() => match entry {
                    Some(entry) => self.entry(entry).await,
                    None => break,
                },
                chunk = chunk => match chunk {
                    Some(chunk) => self.chunk(&chunk),
                    None => self.output = None,
                },
            }
            self.write();
        }
        self.drain().await;
        self.flush_partial();
        self.write();
    }

    async fn entry(&mut self, entry: Entry) {
        let at = self.clock.now();
        match entry {
            Entry::InitStart(warning) => {
                let line = self.lines.init_start(at);
                self.platform(at, line);
                let line = warning.and_then(|text| self.lines.warning(at, &text));
                self.platform(at, line);
            }
            Entry::InitReport(report) => {
                self.drain().await;
                let line = self.lines.init_report(at, &report);
                self.platform(at, line);
            }
            Entry::Start(request_id) => {
                let line = self.lines.start(at, &request_id);
                self.platform(at, line);
            }
            Entry::TimedOut(request_id, limit) => {
                self.drain().await;
                let line = self.lines.timed_out(at, &request_id, limit);
                self.platform(at, line);
            }
            Entry::End(ending) => self.end(*ending).await,
            Entry::Flush(done) => {
                self.drain().await;
                self.flush_partial();
                self.write();
                let _ = done.send(()); // whoever asked may have gone
            }
        }
    }

    async fn end(&mut self, ending: Ending) {
        self.drain().await;
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
            produced_bytes: ending.produced_bytes,
            trace: ending.trace,
        };
        for line in self.lines.end(at, &report) {
            self.platform(at, Some(line));
        }
        cut_front(&mut self.tail);
        let tail = std::mem::take(&mut self.tail);
        if let Some(wanted) = ending.tail {
            let _ = wanted.send(tail); // a caller that has gone wants no tail
        }
        self.write();
        self.measure(at, &report, ending.alias.as_deref());
    }

    fn measure(&self, at: Timestamp, report: &Report, alias: Option<&str>) {
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

    /// Takes all output that has already been written.
    async fn drain(&mut self) {
        tokio::task::yield_now().await; // readiness that came with the answer is seen by then
        for _ in 0..DRAIN_CHUNKS_MAX {
            let Some(output) = &mut self.output else { break };
            match output.next().now_or_never() {
                Some(Some(chunk)) => self.chunk(&chunk),
                Some(None) => self.output = None,
                None => break,
            }
            self.write();
        }
    }

    fn chunk(&mut self, chunk: &OutputChunk) {
        let at = self.clock.now();
        let which = usize::from(chunk.stream == Stdio::Err);
        let mut lines = Vec::new();
        self.splitters[which].push(&chunk.bytes, |line| lines.push(line));
        for line in lines {
            self.push(at, line);
        }
    }

    fn flush_partial(&mut self) {
        let at = self.clock.now();
        let mut lines = Vec::new();
        for splitter in &mut self.splitters {
            splitter.flush(|line| lines.push(line));
        }
        for line in lines {
            self.push(at, line);
        }
    }

    fn platform(&mut self, at: Timestamp, line: Option<String>) {
        if let Some(line) = line {
            self.push(at, line);
        }
    }

    fn push(&mut self, timestamp: Timestamp, message: String) {
        self.tail.push_str(&message);
        self.tail.push('\n');
        if self.tail.len() > 2 * TAIL_BYTES_MAX {
            cut_front(&mut self.tail);
        }
        self.pending.push(LogLine { timestamp, message });
        if self.pending.len() >= 1000 {
            self.write();
        }
    }

    fn write(&mut self) {
        cut_front(&mut self.tail);
        if !self.pending.is_empty() {
            let lines = std::mem::take(&mut self.pending);
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
