//! One event on its way through a stage.

use serde_json::Value;

use super::failure::Failure;
use super::run::Run;
use crate::rules::parameters::resolve;
use crate::rules::template::{self, Surroundings};

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// As it came from the source or from the enrichment.
    pub(super) value: Value,
    /// What paths look into.
    pub(super) view: Value,
}

/// One event as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Shipped {
    pub(super) event: Event,
    /// What the template made of it.
    pub(super) text: String,
    /// The target's own parameters, with nothing in them that is a path.
    pub(super) parameters: Value,
}

impl Event {
    /// One of the source's.
    pub(super) fn of_source(value: &Value, payload: Option<&str>) -> Self {
        Self { value: value.clone(), view: template::view(value, payload) }
    }

    /// One that an enrichment made.
    pub(super) fn of_enrichment(value: Value) -> Self {
        Self { view: value.clone(), value }
    }

    /// The text for an enrichment or a target.
    pub(super) fn text(&self, run: &Run<'_>, template: Option<&str>) -> String {
        let Some(template) = template else { return template::text(&self.value) };
        let row = run.row;
        let around = Surroundings {
            pipe_arn: &run.pipe_arn,
            pipe_name: &row.key.name,
            source_arn: &row.source,
            enrichment_arn: row.enrichment.as_deref().unwrap_or_default(),
            target_arn: &row.target,
            ingested_at: &run.now().iso_millis(),
        };
        template::fill(template, &self.value, &self.view, around)
    }

    /// Parameters for this event.
    pub(super) fn parameters(&self, given: &Value) -> Result<Value, Failure> {
        resolve(given, &self.view)
            .map_err(|error| Failure::lasting("pipes", "InvalidJsonPath", error))
    }
}
