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
use crate::ops::Tagged;
use crate::rules::names::{self, Place};
use crate::run::{Filters, Runs};
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

    /// The template with the cluster filled in: its name, or `default`.
    fn resources(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Vec<String> {
        let place = Place { account: &call.account, region: &call.region };
        let cluster = names::cluster_key(place, text_member(input, "cluster").as_deref());
        let stem = format!("arn:aws:ecs:{}:{}", call.region, call.account);
        let Some((kind, member)) = listed(operation.resource) else {
            return vec![haar_kernel::resource_of(operation, call, input)];
        };
        let within = if kind == "cluster" { String::new() } else { format!("{}/", cluster.name) };
        let mut named = texts(input, member);
        if named.is_empty() {
            named.push(if member == "cluster" { cluster.name } else { "*".to_owned() });
        }
        let whole = |name: String| match name.starts_with("arn:") {
            true => name,
            false => format!("{stem}:{kind}/{within}{name}"),
        };
        named.into_iter().map(whole).collect()
    }

    /// A task's ARN is not known before it is made: its cluster's tasks.
    fn made_by(
        &self,
        call: &Call,
        operation: &'static OperationSchema,
        input: &dyn Shape,
    ) -> Option<String> {
        let place = Place { account: &call.account, region: &call.region };
        let cluster = names::cluster_key(place, text_member(input, "cluster").as_deref());
        let made =
            || format!("arn:aws:ecs:{}:{}:task/{}/*", call.region, call.account, cluster.name);
        (operation.name == "RunTask").then(made)
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

/// Kind and naming member of a template that is about a cluster or what is in one.
fn listed(template: &str) -> Option<(&str, &str)> {
    let resource = template.strip_prefix("arn:aws:ecs:{region}:{account}:")?;
    let (kind, rest) = resource.split_once('/')?;
    let member = rest.rsplit('/').next()?.strip_prefix('{')?.strip_suffix('}')?;
    ["cluster", "service", "task"].contains(&kind).then_some((kind, member))
}

/// A member's text, or those of its items.
fn texts(input: &dyn Shape, member: &str) -> Vec<String> {
    if let Some(text) = text_member(input, member) {
        return vec![text];
    }
    let json = haar_wire::to_json(input);
    let items = json.get(member).and_then(|items| items.as_array());
    let texts = items.into_iter().flatten().filter_map(|item| item.as_str());
    texts.map(str::to_owned).collect()
}
