//! The pipe, as who takes batches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haar_pipes_contract::model::LogLevel;
use haar_poller::{Consumer, Delivery, Discarded, Item, Taken};
use serde_json::json;

use super::discard;
use super::failure::Failure;
use super::journal::Data;
use super::run::{Passed, Run};
use crate::Pipes;
use crate::measure::Measure;
use crate::rules::source::SourceKind;
use crate::state::PipeRow;

/// An execution takes no longer. AWS docs: *Batching and concurrency*.
const EXECUTION_MAX: Duration = Duration::from_secs(5 * 60);

/// Takes the batches of a pipe's poller.
pub(crate) struct PipeConsumer {
    room: Arc<Pipes>,
    row: Arc<PipeRow>,
    kind: SourceKind,
}

/// Counts an execution until it is over, or dropped.
struct Counted<'a>(&'a Measure);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl PipeConsumer {
    pub(crate) fn new(room: Arc<Pipes>, row: Arc<PipeRow>, kind: SourceKind) -> Self {
        Self { room, row, kind }
    }

    async fn execute(&self, items: &[Item]) -> Taken {
        let (room, row) = (&*self.room, &*self.row);
        let sizes: Vec<usize> = items.iter().map(|item| item.size).collect();
        room.measure.began(&row.key, &sizes);
        let _counted = Counted(&room.measure);
        let run = Run::new(room, row, self.kind, items);
        let records = match run.journal.wants_data(LogLevel::Info) {
            true => items.iter().map(|item| item.record.clone()).collect(),
            false => json!(null),
        };
        run.journal.step(run.now(), "EXECUTION_STARTED", &[Data::Payload(&records)]);
        let clock = &room.doors.clock;
        let since = clock.moment();
        let passed = clock.timeout(EXECUTION_MAX, run.stages(items)).await;
        let passed = passed.unwrap_or_else(|_| Err(Failure::timeout()));
        if room.pollers.is_stopping() && passed.is_err() {
            return Taken::Cut; // perhaps since the function was ended: it says nothing
        }
        let took = clock.moment().since(since).as_secs_f64() * 1000.0;
        room.measure.took(&row.key, "Duration", took);
        let taken = self.conclude(&run, passed);
        if !matches!(taken, Taken::Unreached(_)) {
            room.measure.bill(&row.key, &sizes);
        }
        run.journal.flush(room, row).await;
        taken
    }

    /// What follows for the poller, told and counted.
    fn conclude(&self, run: &Run<'_>, passed: Result<Passed, Failure>) -> Taken {
        let (now, journal) = (run.now(), &run.journal);
        let count = |metric| self.room.measure.count(&self.row.key, metric);
        match passed {
            Ok(Passed::All | Passed::Skipped) => {
                journal.step(now, "EXECUTION_SUCCEEDED", &[]);
                Taken::Answered(Bytes::from_static(b"{}"), json!({}))
            }
            Ok(Passed::Partly(report)) => {
                let failure = Failure::lasting("pipes", "PartialFailure", "Some events failed.");
                journal.failed(now, "EXECUTION_PARTIALLY_FAILED", &failure);
                count("ExecutionPartiallyFailed");
                Taken::Answered(Bytes::from(report.to_string()), json!({}))
            }
            Err(failure) if failure.is_timeout => {
                journal.failed(now, "EXECUTION_TIMEOUT", &failure);
                count("ExecutionTimeout");
                Taken::Failed(failure.shown())
            }
            Err(failure) if failure.is_transient => {
                journal.failed(now, "EXECUTION_THROTTLED", &failure);
                count("ExecutionThrottled");
                Taken::Unreached(format!("{}: {}", failure.code, failure.message))
            }
            Err(failure) => {
                tracing::debug!(?failure, pipe = %self.row.key.name, "an execution failed");
                journal.failed(now, "EXECUTION_FAILED", &failure);
                count("ExecutionFailed");
                Taken::Failed(failure.shown())
            }
        }
    }
}

impl Consumer for PipeConsumer {
    fn take<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Taken> {
        Box::pin(self.execute(delivery.items))
    }

    fn discard<'a>(&'a self, discarded: Discarded<'a>) -> BoxFuture<'a, ()> {
        Box::pin(discard::tell(&self.room, &self.row, discarded))
    }

    /// Nothing shows how the last batch ended but the pipe's logs.
    fn note(&self, result: &str) {
        if result.starts_with("PROBLEM") {
            tracing::debug!(result, pipe = %self.row.key.name, "a pipe has a problem");
        }
    }
}
