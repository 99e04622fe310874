//! The room: what its handlers share.

use std::time::Duration;

use haar_ec2_contract::peek::Ec2Peek;
use haar_ecs_contract::model::SERVICE;
use haar_kernel::{Call, Doors, Lanes, Room};
use haar_ledger::Snapshot;
use haar_types::Timestamp;
use haar_wire::{OperationSchema, ServiceSchema, Shape, text_member};

use crate::doors::TaskDoors;
use crate::exec::Sessions;
use crate::lookup::place;
use crate::ops::Tagged;
use crate::rules::names;
use crate::run::{Filters, Runs};
use crate::state::TaskKey;
use crate::target::Clusters;

/// Amazon ECS's room: its doors, and what it keeps of the tasks that run.
pub struct Ecs {
    pub(crate) doors: Doors,
    pub(crate) task_doors: TaskDoors,
    pub(crate) runs: Runs,
    pub(crate) filters: Filters,
    pub(crate) sessions: Sessions,
    /// When this process began to look after tasks.
    pub(crate) began_at: Timestamp,
}

impl Ecs {
    /// The room behind its doors. EC2 must have offered its peek by the first call.
    pub fn new(doors: Doors, task_doors: TaskDoors) -> Self {
        let began_at = doors.clock.now();
        doors.targets.offer("ecs", std::sync::Arc::new(Clusters(doors.clone())));
        Self {
            doors,
            task_doors,
            runs: Runs::default(),
            filters: Filters::default(),
            sessions: Sessions::default(),
            began_at,
        }
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        crate::lanes::lanes(lanes);
    }

    pub(crate) fn networks(&self) -> std::sync::Arc<dyn Ec2Peek> {
        self.doors.peeks.expect::<dyn Ec2Peek>()
    }
}

impl Room for Ecs {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    fn resources(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        crate::resources::of(call, snapshot, operation, input)
    }

    /// A task's ARN is not known before it is made: its cluster's tasks.
    fn made_by(
        &self,
        call: &Call,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Option<String> {
        if operation.name != "RunTask" {
            return None;
        }
        let named = text_member(input, "cluster");
        let cluster = names::cluster_key(place(call), named.as_deref()).ok()?;
        Some(TaskKey::new(&cluster, "*").arn())
    }

    /// The room keeps tokens itself: a retry answers tasks as they are now.
    fn token_lifetime(&self, _operation: &'static OperationSchema) -> Option<Duration> {
        None
    }

    fn condition_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        crate::conditions::of(call, snapshot, input)
    }

    fn resource_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let found = Tagged::find(call, snapshot, resource);
        let tags = found.map(|(_, tags)| tags).unwrap_or_default();
        let both = |(tag, value): (&String, &String)| {
            ["aws", "ecs"].map(|stem| (format!("{stem}:ResourceTag/{tag}"), vec![value.clone()]))
        };
        tags.iter().flat_map(both).collect()
    }
}
