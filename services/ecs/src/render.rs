//! Rows as the API shows them.

mod service;
mod task;

use haar_ecs_contract::model::{
    Attachment, Cluster, ClusterField, ClusterSetting, ClusterSettingName, Failure, KeyValuePair,
    TaskDefinition,
};
use haar_ledger::Snapshot;

use crate::rules::tags;
use crate::state::{
    ClusterRow, DefinitionRow, ServiceKey, ServiceRow, ServiceStatus, TaskKey, TaskRow, TaskStatus,
};

pub(crate) use service::{deployment, deployment_brief, revision, service};
pub(crate) use task::{health, runtime_id, task};

/// What of a cluster is asked for.
pub(crate) struct Include {
    settings: bool,
    statistics: bool,
    tags: bool,
    configurations: bool,
}

impl Include {
    /// All but statistics, as calls that change a cluster answer it.
    pub(crate) fn all() -> Self {
        Self { settings: true, statistics: false, tags: true, configurations: true }
    }

    /// What `DescribeClusters` names.
    pub(crate) fn of(fields: &[ClusterField]) -> Self {
        let has = |field| fields.contains(&field);
        Self {
            settings: has(ClusterField::Settings),
            statistics: has(ClusterField::Statistics),
            tags: has(ClusterField::Tags),
            configurations: has(ClusterField::Configurations),
        }
    }
}

/// A cluster, with its counts as they are now.
pub(crate) fn cluster(snapshot: &Snapshot, row: &ClusterRow, include: &Include) -> Cluster {
    let tasks = snapshot.range::<TaskRow>(TaskKey::all(&row.key));
    let (mut running, mut pending) = (0, 0);
    for task in tasks {
        match task.last_status {
            TaskStatus::Running => running += 1,
            TaskStatus::Provisioning | TaskStatus::Pending | TaskStatus::Activating => pending += 1,
            _ => {}
        }
    }
    let services = snapshot.range::<ServiceRow>(ServiceKey::all(&row.key));
    let (mut active, mut draining) = (0, 0);
    for service in services {
        match service.status {
            ServiceStatus::Active => active += 1,
            ServiceStatus::Draining => draining += 1,
            ServiceStatus::Inactive => {}
        }
    }
    let numbers = [
        ("runningEC2TasksCount", 0),
        ("runningFargateTasksCount", running),
        ("pendingEC2TasksCount", 0),
        ("pendingFargateTasksCount", pending),
        ("activeEC2ServiceCount", 0),
        ("activeFargateServiceCount", active),
        ("drainingEC2ServiceCount", 0),
        ("drainingFargateServiceCount", draining),
    ];
    let pair = |(name, value): (&str, i32)| KeyValuePair {
        name: Some(name.to_owned()),
        value: Some(value.to_string()),
    };
    let insights = ClusterSetting {
        name: Some(ClusterSettingName::ContainerInsights),
        value: Some(row.container_insights.clone()),
    };
    Cluster {
        cluster_arn: Some(row.key.arn()),
        cluster_name: Some(row.key.name.clone()),
        configuration: row.configuration.clone().filter(|_| include.configurations),
        status: Some(if row.is_active { "ACTIVE" } else { "INACTIVE" }.to_owned()),
        registered_container_instances_count: Some(0),
        running_tasks_count: Some(running),
        pending_tasks_count: Some(pending),
        active_services_count: Some(active),
        statistics: Some(match include.statistics {
            true => numbers.into_iter().map(pair).collect(),
            false => Vec::new(),
        }),
        tags: Some(if include.tags { tags::show(&row.tags) } else { Vec::new() }),
        settings: Some(if include.settings { vec![insights] } else { Vec::new() }),
        capacity_providers: Some(row.capacity_providers.clone()),
        default_capacity_provider_strategy: Some(row.default_strategy.clone()),
        attachments: None::<Vec<Attachment>>,
        ..Default::default()
    }
}

/// A task definition.
pub(crate) fn definition(row: &DefinitionRow) -> TaskDefinition {
    TaskDefinition {
        task_definition_arn: Some(row.key.arn()),
        revision: i32::try_from(row.key.revision).ok(),
        status: Some(row.status),
        registered_at: Some(row.registered_at),
        deregistered_at: row.deregistered_at,
        delete_requested_at: row.delete_requested_at,
        registered_by: Some(row.registered_by.clone()),
        ..row.definition.clone()
    }
}

/// What was asked for is not there.
pub(crate) fn missing(arn: String) -> Failure {
    Failure { arn: Some(arn), reason: Some("MISSING".to_owned()), detail: None }
}
