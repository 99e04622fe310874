//! The target stage: events are transformed and given to the target, as the pipe's role.

mod batch;
mod calls;
mod lines;
mod single;

use serde_json::Value;

use super::event::{Event, Shipped};
use super::failure::Failure;
use super::run::{Passed, Run, Stage};
use crate::rules::report;
use crate::rules::target::{self, TargetKind};

impl Run<'_> {
    /// Gives events to the target.
    pub(super) async fn send(&self, events: Vec<Event>) -> Result<Passed, Failure> {
        let kind = target::kind(&self.row.target);
        let kind = kind.map_err(|error| Failure::of("pipes", &error))?;
        if events.len() > kind.batch_max() {
            let text = format!(
                "The enrichment answered {} events; the target takes {}.",
                events.len(),
                kind.batch_max()
            );
            return Err(Failure::lasting("pipes", "BatchTooLarge", text));
        }
        let shipped = self.shipped(kind, events)?;
        match kind {
            TargetKind::Function => self.to_function(&shipped).await,
            TargetKind::Queue | TargetKind::FifoQueue => self.to_queue(&shipped).await,
            TargetKind::Topic => self.to_topic(&shipped).await,
            TargetKind::Stream => self.to_stream(&shipped).await,
            TargetKind::Bus => self.to_bus(&shipped).await,
            TargetKind::LogGroup => self.to_log_group(&shipped).await,
            TargetKind::Destination => self.to_destination(&shipped).await,
            TargetKind::Cluster => self.to_cluster(&shipped).await,
        }
    }

    /// Events with what the template makes of them and their own parameters, which look into the
    /// event as it came to this stage.
    fn shipped(&self, kind: TargetKind, events: Vec<Event>) -> Result<Vec<Shipped>, Failure> {
        let given = self.row.target_parameters.as_ref();
        let template = given.and_then(|given| given.input_template.as_deref());
        let template = template.filter(|template| !template.is_empty());
        let texts = self.transformed(Stage::Target, &events, template);
        let given = given.map(|given| haar_wire::to_json(given)).unwrap_or_default();
        let given = &given[kind.member()];
        let ship = |(event, text): (Event, String)| {
            let parameters = event.parameters(given)?;
            Ok(Shipped { event, text, parameters })
        };
        let shipped = events.into_iter().zip(texts).map(ship).collect::<Result<Vec<_>, _>>();
        shipped.inspect_err(|failure| self.failed(Stage::Target, "TRANSFORMATION_FAILED", failure))
    }

    /// What follows from the places of the events that a target did not take.
    fn passed(&self, shipped: &[Shipped], failed: &[(usize, String)]) -> Result<Passed, Failure> {
        let service = self.row.target.split(':').nth(2).unwrap_or_default();
        let Some((_, reason)) = failed.first() else { return Ok(Passed::All) };
        let events = failed.iter().filter_map(|(at, _)| shipped.get(*at));
        let report = report::of_failed(events.map(|one| &one.event.value), &self.known);
        let failure = Failure::lasting(service, "PartialFailure", reason.as_str());
        match report.filter(|_| failed.len() < shipped.len()) {
            Some(report) => {
                self.failed(Stage::Target, "INVOCATION_PARTIALLY_FAILED", &failure);
                Ok(Passed::Partly(report))
            }
            None => Err(failure),
        }
    }
}

/// A text among an event's parameters.
fn text<'v>(parameters: &'v Value, member: &str) -> Option<&'v str> {
    parameters[member].as_str().filter(|text| !text.is_empty())
}
