//! State changes, told to the default event bus.
//!
//! *Amazon ECS Developer Guide > Amazon ECS task state change events*, and its neighbours.

use haar_ecs_contract::model::DeploymentRolloutState as State;
use haar_events_contract::events::ServiceEvent;
use haar_kernel::Outbox;
use haar_ledger::Tx;
use haar_types::Timestamp;
use serde_json::{Value, json};

use crate::render;
use crate::state::{ClusterKey, DefinitionRow, Rollout, ServiceRow, TaskRow, TaskStatus};

/// Tells what changes in a task, before its row is put. Free where nobody listens.
pub(crate) fn task(outbox: &Outbox, tx: &mut Tx, row: &TaskRow, now: Timestamp) {
    if tx.get::<TaskRow>(&row.key).is_some_and(|old| seen(&old) == seen(row)) {
        return;
    }
    let mut event = event(&row.key.cluster, "ECS Task State Change", row.key.arn(), &Value::Null);
    if !outbox.is_wanted(tx, &event) {
        return;
    }
    let definition = tx.get::<DefinitionRow>(&row.definition);
    let mut detail = haar_wire::to_json(&render::task(row, definition.as_deref(), false));
    written_times(&mut detail);
    detail["updatedAt"] = json!(now.iso_millis());
    event.detail = detail.to_string();
    outbox.tell(tx, now, &event);
}

/// What of a task makes an event when it changes.
fn seen(row: &TaskRow) -> (TaskStatus, TaskStatus, Vec<TaskStatus>, bool) {
    let containers = row.containers.iter().map(|one| one.last_status).collect();
    (row.last_status, row.desired_status(), containers, row.stop.is_some())
}

/// Tells what changes in a service, before its row is put.
pub(crate) fn service(outbox: &Outbox, tx: &mut Tx, row: &ServiceRow, now: Timestamp) {
    let old = tx.get::<ServiceRow>(&row.key);
    for rollout in &row.rollouts {
        let before = old.as_ref().and_then(|old| {
            old.rollouts.iter().find(|one| one.id == rollout.id).map(|one| one.state)
        });
        if before != Some(rollout.state) {
            outbox.tell(tx, now, &deployment(row, rollout, now));
        }
    }
    let was_steady = old.as_ref().and_then(|old| old.steady_told_at);
    if row.steady_told_at.is_some() && row.steady_told_at != was_steady {
        let detail = json!({
            "eventType": "INFO",
            "eventName": "SERVICE_STEADY_STATE",
            "clusterArn": row.key.cluster.arn(),
            "createdAt": now.iso_millis(),
        });
        let event = event(&row.key.cluster, "ECS Service Action", row.key.arn(), &detail);
        outbox.tell(tx, now, &event);
    }
}

fn deployment(row: &ServiceRow, rollout: &Rollout, now: Timestamp) -> ServiceEvent {
    let (kind, name) = match rollout.state {
        State::Completed => ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
        State::Failed => ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
        _ => ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
    };
    let detail = json!({
        "eventType": kind,
        "eventName": name,
        "deploymentId": rollout.id,
        "updatedAt": now.iso_millis(),
        "reason": rollout.state_reason,
    });
    event(&row.key.cluster, "ECS Deployment State Change", row.key.arn(), &detail)
}

fn event(cluster: &ClusterKey, detail_type: &str, arn: String, detail: &Value) -> ServiceEvent {
    ServiceEvent {
        account: cluster.account.clone(),
        region: cluster.region.clone(),
        source: "aws.ecs".to_owned(),
        detail_type: detail_type.to_owned(),
        resources: vec![arn],
        detail: detail.to_string(),
    }
}

/// Times as events write them: ISO 8601 instead of seconds.
fn written_times(detail: &mut Value) {
    let Some(members) = detail.as_object_mut() else { return };
    for (name, value) in members {
        if let (true, Some(seconds)) = (name.ends_with("At"), value.as_f64()) {
            #[expect(clippy::cast_possible_truncation, reason = "times are small enough")]
            let at = Timestamp((seconds * 1000.0).round() as i64);
            *value = json!(at.iso_millis());
        }
    }
}
