//! One execution: its stages, its calls, its journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_kernel::Principal;
use haar_kernel::targets::Sender;
use haar_pipes_contract::model::LogLevel;
use haar_poller::Item;
use haar_types::{Region, Timestamp};
use haar_wire::{Operation, Shape};
use serde_json::{Value, json};

use super::event::Event;
use super::failure::Failure;
use super::journal::{Data, Journal};
use crate::Pipes;
use crate::reader::sender;
use crate::rules::report::identifiers;
use crate::rules::source::SourceKind;
use crate::state::PipeRow;

/// One execution.
pub(super) struct Run<'a> {
    pub(super) room: &'a Pipes,
    pub(super) row: &'a PipeRow,
    pub(super) pipe_arn: String,
    pub(super) kind: SourceKind,
    pub(super) journal: Journal,
    /// What identifies records to targets, with their ids.
    pub(super) known: BTreeMap<String, String>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Passed {
    /// All is done.
    All,
    /// The enrichment left nothing for the target.
    Skipped,
    /// The poller's report of what failed.
    Partly(Value),
}

/// The stage that a step is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Enrichment,
    Target,
}

impl Stage {
    fn step(self, what: &str) -> String {
        let stage = if self == Self::Enrichment { "ENRICHMENT" } else { "TARGET" };
        format!("{stage}_{what}")
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(room: &'a Pipes, row: &'a PipeRow, kind: SourceKind, items: &[Item]) -> Self {
        let journal = Journal::new(room.doors.ids.uuid(), row);
        let known = identifiers(items);
        Self { room, row, pipe_arn: row.key.arn(), kind, journal, known }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.room.doors.clock.now()
    }

    /// Takes a batch through both stages.
    pub(super) async fn stages(&self, items: &[Item]) -> Result<Passed, Failure> {
        let payload = self.kind.payload();
        let events = items.iter().map(|item| Event::of_source(&item.record, payload)).collect();
        let events = self.enriched(events).await?;
        if events.is_empty() {
            self.step(Stage::Target, "STAGE_SKIPPED", &[]);
            self.room.measure.count(&self.row.key, "TargetStageSkipped");
            return Ok(Passed::Skipped);
        }
        self.sent(events).await
    }

    /// What the enrichment makes of events; the events where there is none.
    async fn enriched(&self, events: Vec<Event>) -> Result<Vec<Event>, Failure> {
        let Some(arn) = &self.row.enrichment else { return Ok(events) };
        let since = self.room.doors.clock.moment();
        self.step(Stage::Enrichment, "STAGE_ENTERED", &[]);
        let enriched = self.enrich(arn, events).await;
        self.took("EnrichmentStageDuration", since);
        match enriched {
            Ok(events) => {
                self.step(Stage::Enrichment, "STAGE_SUCCEEDED", &[]);
                Ok(events)
            }
            Err(failure) => {
                self.failed(Stage::Enrichment, "STAGE_FAILED", &failure);
                self.room.measure.count(&self.row.key, "EnrichmentStageFailed");
                Err(failure)
            }
        }
    }

    async fn sent(&self, events: Vec<Event>) -> Result<Passed, Failure> {
        let since = self.room.doors.clock.moment();
        self.step(Stage::Target, "STAGE_ENTERED", &[]);
        let sent = self.send(events).await;
        self.took("TargetStageDuration", since);
        let pipe = &self.row.key;
        match &sent {
            Ok(Passed::Partly(_)) => {
                let failure = Failure::lasting("pipes", "PartialFailure", "Some events failed.");
                self.failed(Stage::Target, "STAGE_PARTIALLY_FAILED", &failure);
                self.room.measure.count(pipe, "TargetStagePartiallyFailed");
            }
            Ok(_) => self.step(Stage::Target, "STAGE_SUCCEEDED", &[]),
            Err(failure) => {
                self.failed(Stage::Target, "STAGE_FAILED", failure);
                self.room.measure.count(pipe, "TargetStageFailed");
            }
        }
        sent
    }

    fn took(&self, metric: &str, since: haar_clock::Moment) {
        let took = self.room.doors.clock.moment().since(since).as_secs_f64() * 1000.0;
        self.room.measure.took(&self.row.key, metric, took);
    }

    /// Tells of a step.
    pub(super) fn step(&self, stage: Stage, what: &str, data: &[Data<'_>]) {
        self.journal.step(self.now(), &stage.step(what), data);
    }

    /// Tells of a step that failed.
    pub(super) fn failed(&self, stage: Stage, what: &str, failure: &Failure) {
        self.journal.failed(self.now(), &stage.step(what), failure);
    }

    /// A session of the pipe's role.
    pub(super) fn sender(&self) -> Result<Sender, Failure> {
        sender(&self.room.doors, self.row).map_err(|error| Failure::of("sts", &error))
    }

    pub(super) fn principal(&self) -> Result<Arc<Principal>, Failure> {
        Ok(self.sender()?.principal)
    }

    /// Calls an operation on a resource, as the pipe's role, and tells of it.
    pub(super) async fn call<O: Operation>(
        &self,
        stage: Stage,
        arn: &str,
        input: O::Input,
    ) -> Result<O::Output, Failure> {
        let service = arn.split(':').nth(2).unwrap_or_default();
        let request = self.data(&input);
        self.step(stage, "INVOCATION_STARTED", &[Data::Request(&request)]);
        let region = self.region_of(arn);
        let called = self.room.doors.call::<O>(self.principal()?, &region, input).await;
        match called {
            Ok(output) => {
                let response = self.data(&output);
                let data = [Data::Request(&request), Data::Response(&response)];
                self.step(stage, "INVOCATION_SUCCEEDED", &data);
                Ok(output)
            }
            Err(error) => {
                let failure = Failure::of(service, &error);
                self.failed(stage, "INVOCATION_FAILED", &failure);
                Err(failure)
            }
        }
    }

    /// A shape for the journal, where that wants data.
    fn data(&self, shape: &dyn Shape) -> Value {
        match self.journal.wants_data(LogLevel::Trace) {
            true => haar_wire::to_json(shape),
            false => json!(null),
        }
    }

    /// The region of a resource.
    pub(super) fn region_of(&self, arn: &str) -> Region {
        let region = arn.split(':').nth(3).and_then(|region| region.parse().ok());
        region.unwrap_or_else(|| self.row.key.region.clone())
    }
}
