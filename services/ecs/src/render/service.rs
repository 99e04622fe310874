//! Services, their deployments and revisions.

use haar_ecs_contract::model::{
    Deployment, DeploymentController, DeploymentControllerType, LaunchType, NetworkConfiguration,
    ResourceManagementType, Rollback, SchedulingStrategy, Service, ServiceCurrentRevisionSummary,
    ServiceDeployment, ServiceDeploymentAlarms, ServiceDeploymentBrief,
    ServiceDeploymentCircuitBreaker, ServiceDeploymentRollbackMonitorsStatus, ServiceEvent,
    ServiceRevision, ServiceRevisionSummary,
};
use haar_ledger::Snapshot;

use crate::rules::tags;
use crate::state::{
    DeploymentRow, RevisionRow, Rollout, ServiceRow, ServiceStatus, Target, TaskRow, TaskStatus,
};

/// Tasks of a rollout, or of a service.
#[derive(Clone, Copy, Default)]
struct Counts {
    running: i32,
    pending: i32,
}

impl Counts {
    fn of(snapshot: &Snapshot, row: &ServiceRow, rollout: Option<&Rollout>) -> Self {
        let mut counts = Self::default();
        for task in snapshot.by_index::<TaskRow>("service", &row.key.index()) {
            if rollout.is_some_and(|one| task.started_by.as_ref() != Some(&one.id)) {
                continue;
            }
            match task.last_status {
                TaskStatus::Running => counts.running += 1,
                TaskStatus::Provisioning | TaskStatus::Pending | TaskStatus::Activating => {
                    counts.pending += 1;
                }
                _ => {}
            }
        }
        counts
    }
}

/// A service, with its counts as they are now.
pub(crate) fn service(snapshot: &Snapshot, row: &ServiceRow, with_tags: bool) -> Service {
    let counts = Counts::of(snapshot, row, None);
    let primary = row.primary();
    let target = primary.map(|primary| &primary.target);
    let event = |event: &crate::state::Event| ServiceEvent {
        id: Some(event.id.clone()),
        created_at: Some(event.created_at),
        message: Some(event.message.clone()),
    };
    let is_gone = row.status == ServiceStatus::Inactive;
    let rollouts = row.rollouts.iter().filter(|_| !is_gone).enumerate();
    let rollouts: Vec<_> = rollouts.map(|(at, one)| rollout(snapshot, row, one, at == 0)).collect();
    let current = primary.filter(|_| !is_gone);
    let controller = || DeploymentController { r#type: DeploymentControllerType::Ecs };
    Service {
        service_arn: Some(row.key.arn()),
        service_name: Some(row.key.name.clone()),
        cluster_arn: Some(row.key.cluster.arn()),
        load_balancers: Some(Vec::new()),
        service_registries: Some(Vec::new()),
        status: Some(row.status.as_str().to_owned()),
        desired_count: count(row.desired_count),
        running_count: Some(counts.running),
        pending_count: Some(counts.pending),
        launch_type: target.and_then(launch_type),
        capacity_provider_strategy: target.and_then(strategy),
        platform_version: target.map(|target| target.platform_version.clone()),
        platform_family: Some("Linux".to_owned()),
        task_definition: target.map(|target| target.definition.arn()),
        deployment_configuration: Some(row.configuration.clone()),
        deployments: Some(rollouts),
        role_arn: Some(format!(
            "arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            row.key.cluster.account
        )),
        events: Some(row.events.iter().map(event).collect()),
        created_at: Some(row.created_at),
        current_service_deployment: current
            .map(|primary| row.key.arn_of("service-deployment", &primary.deployment_id)),
        current_service_revisions: Some(
            row.rollouts
                .iter()
                .filter(|_| !is_gone)
                .map(|one| current_revision(snapshot, row, one))
                .collect(),
        ),
        placement_constraints: Some(Vec::new()),
        placement_strategy: Some(Vec::new()),
        network_configuration: target.map(network),
        health_check_grace_period_seconds: count(row.health_grace_s),
        scheduling_strategy: Some(SchedulingStrategy::Replica),
        deployment_controller: Some(row.controller.clone().unwrap_or_else(controller)),
        tags: Some(if with_tags { tags::show(&row.tags) } else { Vec::new() }),
        created_by: Some(row.created_by.clone()),
        enable_ecs_managed_tags: Some(row.managed_tags),
        propagate_tags: Some(row.propagate_tags),
        enable_execute_command: Some(row.enable_execute_command),
        availability_zone_rebalancing: Some(row.zone_rebalancing),
        resource_management_type: Some(ResourceManagementType::Customer),
        ..Default::default()
    }
}

fn count(number: u32) -> Option<i32> {
    i32::try_from(number).ok()
}

fn launch_type(target: &Target) -> Option<LaunchType> {
    target.strategy.is_empty().then_some(LaunchType::Fargate)
}

fn strategy(
    target: &Target,
) -> Option<Vec<haar_ecs_contract::model::CapacityProviderStrategyItem>> {
    (!target.strategy.is_empty()).then(|| target.strategy.clone())
}

fn platform(target: &Target) -> String {
    crate::order::platform(Some(&target.platform_version)).to_owned()
}

fn network(target: &Target) -> NetworkConfiguration {
    NetworkConfiguration { awsvpc_configuration: Some(target.network.clone()) }
}

fn rollout(snapshot: &Snapshot, row: &ServiceRow, one: &Rollout, is_primary: bool) -> Deployment {
    let counts = Counts::of(snapshot, row, Some(one));
    Deployment {
        id: Some(one.id.clone()),
        status: Some(if is_primary { "PRIMARY" } else { "ACTIVE" }.to_owned()),
        task_definition: Some(one.target.definition.arn()),
        desired_count: count(if is_primary { row.desired_count } else { 0 }),
        pending_count: Some(counts.pending),
        running_count: Some(counts.running),
        failed_tasks: count(one.failed_count),
        created_at: Some(one.created_at),
        updated_at: Some(one.updated_at),
        capacity_provider_strategy: strategy(&one.target),
        launch_type: launch_type(&one.target),
        platform_version: Some(platform(&one.target)),
        platform_family: Some("Linux".to_owned()),
        network_configuration: Some(network(&one.target)),
        rollout_state: Some(one.state),
        rollout_state_reason: Some(one.state_reason.clone()),
        ..Default::default()
    }
}

fn current_revision(
    snapshot: &Snapshot,
    row: &ServiceRow,
    one: &Rollout,
) -> ServiceCurrentRevisionSummary {
    let counts = Counts::of(snapshot, row, Some(one));
    let is_primary = row.primary() == Some(one);
    ServiceCurrentRevisionSummary {
        arn: Some(row.key.arn_of("service-revision", &one.revision_id)),
        requested_task_count: count(if is_primary { row.desired_count } else { 0 }),
        running_task_count: Some(counts.running),
        pending_task_count: Some(counts.pending),
    }
}

/// A service deployment.
pub(crate) fn deployment(snapshot: &Snapshot, row: &DeploymentRow) -> ServiceDeployment {
    let service = snapshot.get::<ServiceRow>(&row.key.service);
    let summary = |revision_id: &String| {
        let rollouts = service.iter().flat_map(|service| service.rollouts.iter());
        let found = rollouts.into_iter().find(|one| one.revision_id == *revision_id);
        let counts = match (&service, found) {
            (Some(service), Some(found)) => Counts::of(snapshot, service, Some(found)),
            _ => Counts::default(),
        };
        let is_primary = service.as_ref().and_then(|service| service.primary()) == found;
        let desired = service.as_ref().map_or(0, |service| service.desired_count);
        ServiceRevisionSummary {
            arn: Some(row.key.service.arn_of("service-revision", revision_id)),
            requested_task_count: count(if found.is_some() && is_primary { desired } else { 0 }),
            running_task_count: Some(counts.running),
            pending_task_count: Some(counts.pending),
            ..Default::default()
        }
    };
    let rollback = row.rollback.as_ref().map(|rollback| Rollback {
        reason: Some(rollback.reason.clone()),
        started_at: Some(rollback.started_at),
        service_revision_arn: Some(
            row.key.service.arn_of("service-revision", &rollback.revision_id),
        ),
    });
    ServiceDeployment {
        service_deployment_arn: Some(arn(row)),
        service_arn: Some(row.key.service.arn()),
        cluster_arn: Some(row.key.service.cluster.arn()),
        created_at: Some(row.created_at),
        started_at: row.started_at,
        finished_at: row.finished_at,
        stopped_at: row.stopped_at,
        updated_at: Some(row.updated_at),
        source_service_revisions: Some(row.source_revision_ids.iter().map(summary).collect()),
        target_service_revision: Some(summary(&row.target_revision_id)),
        status: Some(row.status),
        status_reason: row.status_reason.clone(),
        deployment_configuration: Some(row.configuration.clone()),
        rollback,
        deployment_circuit_breaker: Some(ServiceDeploymentCircuitBreaker {
            status: Some(row.breaker.status),
            failure_count: count(row.breaker.failure_count),
            threshold: count(row.breaker.threshold),
        }),
        alarms: Some(ServiceDeploymentAlarms {
            status: Some(ServiceDeploymentRollbackMonitorsStatus::Disabled),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A line of `ListServiceDeployments`.
pub(crate) fn deployment_brief(row: &DeploymentRow) -> ServiceDeploymentBrief {
    ServiceDeploymentBrief {
        service_deployment_arn: Some(arn(row)),
        service_arn: Some(row.key.service.arn()),
        cluster_arn: Some(row.key.service.cluster.arn()),
        started_at: row.started_at,
        created_at: Some(row.created_at),
        finished_at: row.finished_at,
        target_service_revision_arn: Some(
            row.key.service.arn_of("service-revision", &row.target_revision_id),
        ),
        status: Some(row.status),
        status_reason: row.status_reason.clone(),
    }
}

fn arn(row: &DeploymentRow) -> String {
    row.key.service.arn_of("service-deployment", &row.key.id)
}

/// A service revision.
pub(crate) fn revision(row: &RevisionRow) -> ServiceRevision {
    ServiceRevision {
        service_revision_arn: Some(row.key.service.arn_of("service-revision", &row.key.id)),
        service_arn: Some(row.key.service.arn()),
        cluster_arn: Some(row.key.service.cluster.arn()),
        task_definition: Some(row.target.definition.arn()),
        capacity_provider_strategy: strategy(&row.target),
        launch_type: launch_type(&row.target),
        platform_version: Some(platform(&row.target)),
        platform_family: Some("Linux".to_owned()),
        network_configuration: Some(network(&row.target)),
        container_images: Some(row.images.clone()),
        guard_duty_enabled: Some(false),
        created_at: Some(row.created_at),
        ..Default::default()
    }
}
