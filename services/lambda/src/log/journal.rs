//! What one environment's log stream is told, and the loop that writes it.

mod outputs;
mod work;

use std::sync::Arc;
use std::time::Duration;

use futures_core::stream::BoxStream;
use haar_substrate::{OutputChunk, SandboxId};
use tokio::sync::{mpsc, oneshot};

use super::{Done, ExtensionState, InitReport, Lines, Start, Status, Subscribed, Trace};
use crate::doors::FleetDoors;
use crate::fleet::{Era, FunctionTarget};
use crate::telemetry::Telemetry;
use work::Loop;

/// What a journal is made of.
pub(crate) struct JournalParts {
    pub(crate) doors: FleetDoors,
    pub(crate) target: Arc<FunctionTarget>,
    pub(crate) lines: Lines,
    pub(crate) sandbox: SandboxId,
    pub(crate) stream: String,
    pub(crate) outputs: Vec<Output>,
    pub(crate) telemetry: Arc<Telemetry>,
}

/// What one container writes.
pub(crate) struct Output {
    pub(crate) from_extension: bool,
    pub(crate) chunks: BoxStream<'static, OutputChunk>,
}

/// How an invocation ended, for its last lines, its metrics and its bill.
pub(crate) struct Ending {
    pub(crate) request_id: String,
    /// How it went for the runtime, where the journal was not told yet.
    pub(crate) done: Option<Done>,
    pub(crate) status: Status,
    pub(crate) error_type: Option<String>,
    pub(crate) duration: Duration,
    pub(crate) init: Option<Duration>,
    pub(crate) alias: Option<String>,
    /// Whether the bill counts [`Self::init`] too.
    pub(crate) init_billed: bool,
    /// Where the log's tail is wanted.
    pub(crate) tail: Option<oneshot::Sender<String>>,
}

enum Entry {
    InitStart(Option<String>),
    InitRuntimeDone(Option<String>),
    Extension(ExtensionState),
    Subscribed(Subscribed),
    InitReport(InitReport),
    Start(Start),
    /// What is wrong with the function's program.
    Fault(String),
    TimedOut(String, Duration),
    RuntimeDone(Done),
    End(Ending),
    /// All that was written so far is in the log; answers the tail of it.
    Flush(oneshot::Sender<String>),
    /// What an earlier initialization wrote stands first in the tail.
    Recall(String),
}

/// The sending half. Never blocks; entries are few (a handful for each invocation), and boxed, as
/// a channel has room for some that do not wait.
#[derive(Clone)]
pub(crate) struct Journal {
    entries: mpsc::UnboundedSender<Box<Entry>>,
}

/// Entries that wait for the loop.
pub(crate) struct Entries(mpsc::UnboundedReceiver<Box<Entry>>, Era);

impl Journal {
    /// A journal whose loop has yet to start. When its era is over it writes nothing more.
    pub(crate) fn open(era: Era) -> (Self, Entries) {
        let (entries, received) = mpsc::unbounded_channel();
        (Self { entries }, Entries(received, era))
    }

    pub(crate) fn init_start(&self, warning: Option<String>) {
        self.send(Entry::InitStart(warning));
    }

    /// The runtime polls for the first time, or has told an error's type.
    pub(crate) fn init_runtime_done(&self, error_type: Option<String>) {
        self.send(Entry::InitRuntimeDone(error_type));
    }

    pub(crate) fn extension(&self, extension: ExtensionState) {
        self.send(Entry::Extension(extension));
    }

    pub(crate) fn subscribed(&self, subscribed: Subscribed) {
        self.send(Entry::Subscribed(subscribed));
    }

    pub(crate) fn init_report(&self, report: InitReport) {
        self.send(Entry::InitReport(report));
    }

    /// Writes what is wrong with the function's program.
    pub(crate) fn fault(&self, text: String) {
        self.send(Entry::Fault(text));
    }

    pub(crate) fn start_invocation(&self, request_id: &str, trace: Trace) {
        self.send(Entry::Start(Start { request_id: request_id.to_owned(), trace }));
    }

    pub(crate) fn timed_out(&self, request_id: &str, limit: Duration) {
        self.send(Entry::TimedOut(request_id.to_owned(), limit));
    }

    /// The runtime is done, its extensions are not yet.
    pub(crate) fn runtime_done(&self, done: Done) {
        self.send(Entry::RuntimeDone(done));
    }

    pub(crate) fn end_invocation(&self, ending: Ending) {
        self.send(Entry::End(ending));
    }

    /// Waits until all that was written so far is in the log, and answers what the next caller
    /// who wants a tail would be shown of it.
    pub(crate) async fn flush(&self) -> String {
        let (done, flushed) = oneshot::channel();
        self.send(Entry::Flush(done));
        flushed.await.unwrap_or_default() // a loop that has ended has flushed
    }

    /// The tail begins with what an initialization wrote that this one makes up for.
    pub(crate) fn recall(&self, written: String) {
        self.send(Entry::Recall(written));
    }

    fn send(&self, entry: Entry) {
        let _ = self.entries.send(Box::new(entry)); // the loop ends after its senders
    }
}

impl Entries {
    /// Starts the loop; it ends when all senders and outputs are gone.
    #[allow(clippy::disallowed_methods)] // the fleet's own loop
    pub(crate) fn work(self, parts: JournalParts) {
        tokio::spawn(Loop::new(parts, self.1).run(self.0));
    }
}
