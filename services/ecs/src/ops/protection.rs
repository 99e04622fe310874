//! Protection of a service's tasks from scale-in. *Developer Guide > Task scale-in protection*.

use std::time::Duration;

use haar_ecs_contract::model::{
    Failure, GetTaskProtection, GetTaskProtectionResponse, ProtectedTask, UpdateTaskProtection,
    UpdateTaskProtectionResponse,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;

use super::Input;
use crate::lookup::find_cluster;
use crate::refusal::invalid;
use crate::rules::names;
use crate::state::{TaskKey, TaskRow, TaskStatus};
use crate::{Ecs, render};

/// How long protection lasts where it is not told, and at most.
const MINUTES: i32 = 120;
const MINUTES_MAX: i32 = 2_880;

/// AWS docs: *Amazon ECS API Reference > UpdateTaskProtection*.
impl Command<UpdateTaskProtection> for Ecs {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: Input<UpdateTaskProtection>,
    ) -> Answer<UpdateTaskProtection> {
        let cluster = find_cluster(tx, call, Some(&input.cluster))?;
        if input.tasks.is_empty() || input.tasks.len() > 10 {
            return Err(invalid("You must specify between 1 and 10 tasks."));
        }
        let minutes = input.expires_in_minutes.unwrap_or(MINUTES);
        if !(1..=MINUTES_MAX).contains(&minutes) {
            let text = format!("expiresInMinutes must be between 1 and {MINUTES_MAX}.");
            return Err(invalid(text));
        }
        let lasts = Duration::from_secs(60 * u64::try_from(minutes).unwrap_or(0));
        let until = input.protection_enabled.then(|| call.now + lasts);
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for named in &input.tasks {
            let key = names::task_key(&cluster.key, named)?;
            match protectable(tx, &key) {
                Ok(mut row) => {
                    row.protected_until = until;
                    tasks.push(shown(&row, call.now));
                    tx.put(row);
                }
                Err(failure) => failures.push(failure),
            }
        }
        Ok(UpdateTaskProtectionResponse { protected_tasks: Some(tasks), failures: Some(failures) })
    }
}

/// A running task of a service.
fn protectable(snapshot: &Snapshot, key: &TaskKey) -> Result<TaskRow, Failure> {
    let Some(row) = snapshot.get::<TaskRow>(key) else { return Err(render::missing(key.arn())) };
    let not_valid = |detail: &str| Failure {
        arn: Some(key.arn()),
        reason: Some("TASK_NOT_VALID".to_owned()),
        detail: Some(detail.to_owned()),
    };
    if row.service.is_none() {
        return Err(not_valid("The task is not part of a service."));
    }
    if row.desired_status() == TaskStatus::Stopped {
        return Err(not_valid("The task is stopping or has stopped."));
    }
    Ok(TaskRow::clone(&row))
}

fn shown(row: &TaskRow, now: Timestamp) -> ProtectedTask {
    let until = row.protected_until.filter(|until| *until > now);
    ProtectedTask {
        task_arn: Some(row.key.arn()),
        protection_enabled: Some(until.is_some()),
        expiration_date: until,
    }
}

/// AWS docs: *Amazon ECS API Reference > GetTaskProtection*.
impl Query<GetTaskProtection> for Ecs {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: Input<GetTaskProtection>,
    ) -> Answer<GetTaskProtection> {
        let cluster = find_cluster(snapshot, call, Some(&input.cluster))?;
        let named = input.tasks.filter(|named| !named.is_empty());
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        match named {
            None => {
                let all = snapshot.range::<TaskRow>(TaskKey::all(&cluster.key));
                let protected = all.filter(|row| row.is_protected(call.now));
                tasks.extend(protected.map(|row| shown(&row, call.now)));
            }
            Some(named) => {
                for name in &named {
                    let key = names::task_key(&cluster.key, name)?;
                    match protectable(snapshot, &key) {
                        Ok(row) => tasks.push(shown(&row, call.now)),
                        Err(failure) => failures.push(failure),
                    }
                }
            }
        }
        Ok(GetTaskProtectionResponse { protected_tasks: Some(tasks), failures: Some(failures) })
    }
}
