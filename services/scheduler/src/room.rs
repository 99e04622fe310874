//! The room: its doors, its courier, what the gate must know of its resources.

use std::sync::{Arc, OnceLock};

use haar_courier::{Courier, CourierError, CourierSettings, Porter};
use haar_kernel::{Call, Doors, Room, request_tags, resource_tags};
use haar_kv::KvError;
use haar_ledger::Snapshot;
use haar_scheduler_contract::model::SERVICE;
use haar_wire::{AwsError, Json, OperationSchema, ServiceSchema, Shape, json_member, text_member};

use crate::delivery::Execution;
use crate::lookup::get_group;
use crate::measure::Measure;
use crate::refusal::token_reused;
use crate::state::{GroupKey, ScheduleKey};

/// The room.
pub struct Scheduler {
    pub(crate) doors: Doors,
    pub(crate) measure: Measure,
    courier: OnceLock<Courier>,
}

impl Scheduler {
    /// Opens the room.
    pub fn new(doors: &Doors) -> Arc<Self> {
        let measure = Measure::new(doors.clone());
        Arc::new(Self { doors: doors.clone(), measure, courier: OnceLock::new() })
    }

    /// Begins to carry invocations, also those that were left. Once all targets are offered.
    ///
    /// # Errors
    /// When the invocations that were left cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), CourierError> {
        let porter = Porter::<Execution>::of(self);
        let (kv, clock) = (&self.doors.kv, self.doors.clock.clone());
        let settings = CourierSettings::default();
        let courier = Courier::open(kv, clock, "scheduler.invocation", porter, settings)?;
        let _ = self.courier.set(courier); // a second start keeps the first courier
        Ok(())
    }

    /// Forgets what waits to be invoked, for a reset.
    ///
    /// # Errors
    /// When the invocations cannot be removed.
    pub fn reset(&self) -> Result<(), KvError> {
        self.courier.get().map_or(Ok(()), Courier::clear)
    }

    pub(crate) fn courier(&self) -> Option<&Courier> {
        self.courier.get()
    }
}

impl Room for Scheduler {
    fn service(&self) -> &'static ServiceSchema {
        &SERVICE
    }

    /// The model's only error for it.
    fn token_reused(
        &self,
        operation: &'static OperationSchema,
        token: &str,
        _earlier: &Json,
    ) -> AwsError {
        token_reused(operation.name, token)
    }

    /// The ARNs of schedules and groups that a call names.
    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        if let Some(arn) = text_member(input, "ResourceArn") {
            return vec![arn];
        }
        let name = text_member(input, "Name").unwrap_or_else(|| "*".to_owned());
        if operation.name.ends_with("ScheduleGroup") || operation.name == "ListScheduleGroups" {
            return vec![GroupKey::own(call, Some(&name)).arn()];
        }
        let group = text_member(input, "GroupName");
        let group = match (operation.name, group) {
            ("ListSchedules", None) => GroupKey::own(call, Some("*")),
            (_, group) => GroupKey::own(call, group.as_deref()),
        };
        vec![ScheduleKey { group, name }.arn()]
    }

    fn condition_keys(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<(String, Vec<String>)> {
        request_tags(&json_member(input, "Tags"), &Json::Null)
    }

    /// The tags of a group are those of its schedules too.
    fn resource_keys(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        resource: &str,
    ) -> Vec<(String, Vec<String>)> {
        let schedule = resource.split_once(":schedule/").map(|(_, named)| named);
        let group = schedule.and_then(|named| named.split_once('/')).map(|(group, _)| group);
        let key = match group {
            Some(group) => Some(GroupKey::own(call, Some(group))),
            None => GroupKey::of_arn(resource),
        };
        let row = key.and_then(|key| get_group(snapshot, &key));
        let tags = row.map(|row| row.tags.clone()).unwrap_or_default();
        resource_tags(&tags)
    }
}
