//! Security groups of running tasks: what changes there acts on them.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Ecs;
use crate::state::TaskRow;

/// Keeps the filters of all tasks' sandboxes as their security groups say. It has one key.
pub struct Filtering {
    room: Arc<Ecs>,
}

/// Tell all sandboxes whose filter is another than it shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterStep;

impl Filtering {
    /// The controller of a room's filters.
    pub fn new(room: Arc<Ecs>) -> Self {
        Self { room }
    }
}

impl Controller for Filtering {
    type Key = ();
    type Step = FilterStep;
    const NAME: &'static str = "ecs.filters";

    fn keys(&self, changes: &ChangeSet) -> Vec<()> {
        let is_made = |row: Option<Arc<TaskRow>>| row.is_some_and(|row| row.is_made);
        let begins = changes.rows::<TaskRow>().any(|(old, new)| !is_made(old) && is_made(new));
        let concerned = begins || self.room.networks().concerns_rules(changes);
        if concerned { vec![()] } else { Vec::new() }
    }

    fn all(&self, _snapshot: &Snapshot) -> Vec<()> {
        vec![()]
    }

    fn plan(&self, snapshot: &Snapshot, (): &(), _now: Timestamp) -> Plan<FilterStep> {
        match self.room.lagging(snapshot).is_empty() {
            true => Plan::default(),
            false => Plan::step(FilterStep),
        }
    }

    async fn act(&self, FilterStep: FilterStep, cx: &ActCx) -> Result<(), ActError> {
        match self.room.tell_filters(&cx.ledger.snapshot()).await {
            Err(error) if error.is_transient() => Err(ActError::transient(error)),
            Err(error) => Err(ActError::lasting(error)),
            Ok(()) => Ok(()),
        }
    }
}
