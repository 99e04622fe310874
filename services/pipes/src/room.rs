//! The room: its doors, its pollers, what the gate must know of its resources.

use std::sync::Arc;

use haar_kernel::{Call, Doors, Room, request_tags, resource_tags};
use haar_ledger::Snapshot;
use haar_pipes_contract::model::SERVICE;
use haar_wire::{OperationSchema, ServiceSchema, Shape, json_member};

use crate::controllers::PipesController;
use crate::lookup::find_by_arn;
use crate::measure::Measure;
use crate::pollers::Pollers;

/// The room.
pub struct Pipes {
    pub(crate) doors: Doors,
    pub(crate) measure: Measure,
    pub(crate) pollers: Pollers,
}

impl Pipes {
    /// Opens the room.
    pub fn new(doors: &Doors) -> Arc<Self> {
        let measure = Measure::new(doors.clone());
        Arc::new(Self { doors: doors.clone(), measure, pollers: Pollers::default() })
    }

    /// The controller that settles what operations ask for.
    pub fn controller(self: &Arc<Self>) -> Arc<PipesController> {
        Arc::new(PipesController(Arc::clone(self)))
    }

    /// Forgets what it keeps in memory, for a reset: its pollers.
    pub fn forget(&self) {
        self.pollers.stop_all();
    }
}

impl Room for Pipes {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        let member = if operation.name == "CreatePipe" { "Tags" } else { "tags" };
        request_tags(&json_member(input, member), &json_member(input, "tagKeys"))
    }

    fn resource_keys(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let tags = find_by_arn(snapshot, resource).map(|row| row.tags.clone()).unwrap_or_default();
        resource_tags(&tags)
    }
}
