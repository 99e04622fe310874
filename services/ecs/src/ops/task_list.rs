//! Tasks: described and listed.

use haar_ecs_contract::model::{
    DescribeTasks, DescribeTasksResponse, DesiredStatus, LaunchType, ListTasks, ListTasksResponse,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use super::Input;
use crate::lookup::{Listing, find_cluster};
use crate::refusal::{invalid, no_service};
use crate::rules::names;
use crate::state::{DefinitionRow, ServiceRow, TaskKey, TaskRow, TaskStatus};
use crate::{Ecs, render};

/// AWS docs: *Amazon ECS API Reference > DescribeTasks*.
impl Query<DescribeTasks> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<DescribeTasks>,
    ) -> Answer<DescribeTasks> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        if input.tasks.is_empty() || input.tasks.len() > 100 {
            return Err(invalid("You must specify between 1 and 100 tasks."));
        }
        let wants_tags = input.include.is_some_and(|fields| !fields.is_empty());
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for named in &input.tasks {
            let key = names::task_key(&cluster.key, named)?;
            match snapshot.get::<TaskRow>(&key) {
                Some(row) => {
                    let definition = snapshot.get::<DefinitionRow>(&row.definition);
                    tasks.push(render::task(&row, definition.as_deref(), wants_tags));
                }
                None => failures.push(render::missing(key.arn())),
            }
        }
        Ok(DescribeTasksResponse { tasks: Some(tasks), failures: Some(failures) })
    }
}

/// AWS docs: *Amazon ECS API Reference > ListTasks*.
impl Query<ListTasks> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<ListTasks>,
    ) -> Answer<ListTasks> {
        let cluster = find_cluster(snapshot, call, input.cluster.as_deref())?;
        let is_alone = input.family.is_none() && input.service_name.is_none();
        if input.started_by.is_some() && !is_alone {
            return Err(invalid("startedBy must be the only filter."));
        }
        let service = input.service_name.as_deref();
        let service = service.map(|name| names::service_key(&cluster.key, name)).transpose()?;
        if service.as_ref().is_some_and(|key| !snapshot.contains::<ServiceRow>(key)) {
            return Err(no_service());
        }
        let desired = input.desired_status.unwrap_or(DesiredStatus::Running);
        let wants_stopped = desired == DesiredStatus::Stopped;
        // There are no instances, no daemons and no other launch types here.
        let is_possible = input.container_instance.is_none()
            && input.daemon_name.is_none()
            && desired != DesiredStatus::Pending
            && input.launch_type.is_none_or(|kind| kind == LaunchType::Fargate);
        let fits = |row: &TaskRow| {
            is_possible
                && (row.desired_status() == TaskStatus::Stopped) == wants_stopped
                && input.family.as_ref().is_none_or(|family| *family == row.definition.family)
                && service.as_ref().is_none_or(|service| row.service.as_ref() == Some(service))
                && (input.started_by.is_none() || input.started_by == row.started_by)
        };
        let rows = snapshot.range::<TaskRow>(TaskKey::all(&cluster.key));
        let scope = format!(
            "tasks/{}/{desired}/{:?}/{:?}/{:?}",
            cluster.key.name, input.family, input.service_name, input.started_by
        );
        let bounds = (input.next_token.as_deref(), input.max_results);
        let listing = Listing::new(call, scope, bounds, 100)?;
        let page = listing.page(rows.filter(|row| fits(row)), |row| row.key.id.clone());
        Ok(ListTasksResponse {
            task_arns: Some(page.items.iter().map(|row| row.key.arn()).collect()),
            next_token: page.next,
        })
    }
}
