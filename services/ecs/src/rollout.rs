//! Beginning a rollout: what `CreateService`, `UpdateService` and rollbacks have in common.

use haar_clock::Ids;
use haar_ecs_contract::model::{
    ContainerImage, DeploymentRolloutState, ServiceDeploymentRollbackMonitorsStatus,
    ServiceDeploymentStatus,
};
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;

use crate::rules::deployment;
use crate::state::{
    Breaker, DefinitionRow, DeploymentRow, RevisionRow, Rollout, ServicePartKey, ServiceRow, Target,
};

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes a revision, a deployment that brings it, and puts its rollout first in the service.
/// A deployment that was under way ends: it is superseded.
pub(crate) fn begin(
    tx: &mut Tx,
    ids: &Ids,
    service: &mut ServiceRow,
    target: Target,
    now: Timestamp,
) {
    supersede(tx, service, now);
    let revision_id = digits(ids);
    let deployment_id = ids.of(LETTERS, 21);
    tx.put(RevisionRow {
        key: ServicePartKey::new(&service.key, &revision_id),
        images: images(tx, &target),
        pins: Default::default(),
        target: target.clone(),
        created_at: now,
    });
    let (watches, _) = deployment::breaker(&service.configuration);
    let sources = service.rollouts.iter().map(|rollout| rollout.revision_id.clone()).collect();
    tx.put(DeploymentRow {
        key: ServicePartKey::new(&service.key, &deployment_id),
        status: ServiceDeploymentStatus::InProgress,
        status_reason: None,
        created_at: now,
        started_at: Some(now),
        finished_at: None,
        stopped_at: None,
        updated_at: now,
        source_revision_ids: sources,
        target_revision_id: revision_id.clone(),
        configuration: service.configuration.clone(),
        breaker: Breaker {
            status: match watches {
                true => ServiceDeploymentRollbackMonitorsStatus::Monitoring,
                false => ServiceDeploymentRollbackMonitorsStatus::Disabled,
            },
            failure_count: 0,
            threshold: deployment::threshold(service.desired_count),
        },
        rollback: None,
    });
    let rollout = new_rollout(ids, revision_id, deployment_id, target, now);
    service.rollouts.insert(0, rollout);
    service.steady_told_at = None;
    service.failure_count = 0;
    service.failed_at = None;
}

/// A rollout with a new id: its tasks are told apart from those of before.
pub(crate) fn new_rollout(
    ids: &Ids,
    revision_id: String,
    deployment_id: String,
    target: Target,
    now: Timestamp,
) -> Rollout {
    let id = format!("ecs-svc/{}", digits(ids));
    Rollout {
        state_reason: format!("ECS deployment {id} in progress."),
        id,
        revision_id,
        deployment_id,
        target,
        state: DeploymentRolloutState::InProgress,
        failed_count: 0,
        created_at: now,
        updated_at: now,
    }
}

/// Nineteen digits, the first not a zero.
fn digits(ids: &Ids) -> String {
    format!("{}{}", ids.of(b"123456789", 1), ids.of(b"0123456789", 18))
}

/// Ends the deployment of the primary rollout, where it is under way.
pub(crate) fn supersede(tx: &mut Tx, service: &ServiceRow, now: Timestamp) {
    let Some(primary) = service.primary() else { return };
    let key = ServicePartKey::new(&service.key, &primary.deployment_id);
    let Some(row) = tx.get::<DeploymentRow>(&key).filter(|row| row.is_open()) else { return };
    let mut row = DeploymentRow::clone(&row);
    row.set(ServiceDeploymentStatus::Stopped, "Service deployment was superseded.", now);
    row.stopped_at = Some(now);
    row.breaker.status = ended(row.breaker.status);
    tx.put(row);
}

/// What a breaker's status becomes when there is nothing more to watch.
pub(crate) fn ended(
    status: ServiceDeploymentRollbackMonitorsStatus,
) -> ServiceDeploymentRollbackMonitorsStatus {
    match status {
        ServiceDeploymentRollbackMonitorsStatus::Monitoring => {
            ServiceDeploymentRollbackMonitorsStatus::MonitoringComplete
        }
        other => other,
    }
}

fn images(snapshot: &Snapshot, target: &Target) -> Vec<ContainerImage> {
    let row = snapshot.get::<DefinitionRow>(&target.definition);
    let containers = row.and_then(|row| row.definition.container_definitions.clone());
    let image = |one: haar_ecs_contract::model::ContainerDefinition| ContainerImage {
        container_name: one.name,
        image: one.image,
        image_digest: None,
    };
    containers.unwrap_or_default().into_iter().map(image).collect()
}
