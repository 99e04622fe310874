//! A function whose program cannot be started: it has no environment, but a log and a bill.

use std::sync::Arc;
use std::time::Duration;

use haar_substrate::SandboxId;

use super::super::super::environment::stream_name;
use super::super::super::{FunctionFailure, InvokeError, LogFormat};
use super::super::Invocation;
use crate::log::{InitPhase, InitReport, Journal, JournalParts, Lines, Status};
use crate::telemetry::{Place, Telemetry};

impl Invocation {
    /// Writes the log and the bill of an invocation that found no program to run, as if both
    /// initializations had been tried.
    pub(super) async fn unstartable(
        &self,
        failure: FunctionFailure,
        took: Duration,
    ) -> Result<(FunctionFailure, Option<String>), InvokeError> {
        let doors = &self.shared.doors;
        let stream = stream_name(&self.target, doors, &doors.ids.ids().hex32());
        let report = |journal: &Journal| {
            let (status, error_type) = (Status::Error, Some(failure.error_type.clone()));
            journal.init_report(InitReport { duration: took, status, error_type });
        };
        let ahead = self.journal_of_nothing(InitPhase::Init, &stream).await?;
        ahead.init_start(None);
        report(&ahead);
        let written = ahead.flush().await;

        let journal = self.journal_of_nothing(InitPhase::Invoke, &stream).await?;
        journal.recall(written);
        report(&journal);
        journal.start_invocation(self.request.request_id.as_str(), self.traced(None));
        journal.fault(format!("{}\n{}", failure.message(), failure.error_type));
        let (tail, wanted) = self.tail();
        let told = FunctionFailure { reported: None, ..failure.clone() };
        journal.end_invocation(self.stillborn(&told, took, tail));
        let log_tail = match wanted {
            Some(wanted) => wanted.await.ok(),
            None => None,
        };
        Ok((failure, log_tail))
    }

    async fn journal_of_nothing(
        &self,
        phase: InitPhase,
        stream: &str,
    ) -> Result<Journal, InvokeError> {
        let doors = &self.shared.doors;
        let launch = self.shared.launch(&self.target).await?;
        let sandbox = SandboxId(format!("lambda-{}", doors.ids.ids().hex(16)));
        let place = Place {
            substrate: Arc::clone(&doors.substrate),
            clock: doors.clock.clone(),
            sandbox: sandbox.clone(),
        };
        let (journal, entries) = Journal::open(self.era.clone());
        entries.work(JournalParts {
            doors: doors.clone(),
            target: Arc::clone(&self.target),
            lines: Lines::new(&self.target, &launch.version, "on-demand", phase),
            sandbox,
            stream: stream.to_owned(),
            outputs: Vec::new(),
            telemetry: Telemetry::new(place, self.target.logging.format == LogFormat::Json),
        });
        Ok(journal)
    }
}
