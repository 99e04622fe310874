//! What is to be done for a task: rows and time in, steps out.

use std::time::Duration;

use haar_controller::Plan;
use haar_ecs_contract::model::{ContainerDefinition, TaskStopCode};
use haar_types::Timestamp;

use super::TaskStep as Step;
use crate::rules::order::{Readiness, readiness};
use crate::rules::passing::Now;
use crate::state::{TaskContainer, TaskRow, TaskStatus};

/// Longest a task may stay `PENDING`. *Ours*: ECS documents no such limit.
const PENDING_MAX: Duration = Duration::from_secs(20 * 60);

/// How long a stopped task can be described. *API Reference > DescribeTasks*: at least an hour.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How long a container must have run to be restarted, where its policy does not say.
const RESTART_AFTER: Duration = Duration::from_secs(300);

/// Reads one task and the time, answers what is to be done. No I/O, no clock, no `await`.
pub(super) fn plan(task: &TaskRow, containers: &[ContainerDefinition], now: Now<'_>) -> Plan<Step> {
    let pending_left = now.left(task.created_at, PENDING_MAX);
    let key = || task.key.clone();
    let must_stop = task.desired_status() == TaskStatus::Stopped;
    match task.last_status {
        TaskStatus::Stopped => forget(task, now.at),
        TaskStatus::Deprovisioning => Plan::step(Step::Release(key())),
        TaskStatus::Stopping => Plan::step(Step::Halt(key())),
        TaskStatus::Provisioning if must_stop => {
            let record = Step::Record(key(), TaskStatus::Deprovisioning);
            steps([record, Step::Release(key())])
        }
        _ if must_stop => {
            let record = Step::Record(key(), TaskStatus::Stopping);
            steps([record, Step::Halt(key())])
        }
        TaskStatus::Deactivating => Plan::step(Step::Record(key(), TaskStatus::Stopping)),
        _ if pending_left.is_zero() && task.last_status < TaskStatus::Running => {
            let reason = "Task failed to start: it was pending for too long.".to_owned();
            Plan::step(Step::GiveUp(key(), TaskStopCode::TaskFailedToStart, reason))
        }
        TaskStatus::Provisioning => Plan::step(Step::Launch(key())),
        _ if !task.is_made => Plan::step(Step::Launch(key())).wake_at(now.at + pending_left),
        TaskStatus::Pending | TaskStatus::Activating | TaskStatus::Running => {
            follow(task, containers, now)
        }
    }
}

fn steps<const N: usize>(steps: [Step; N]) -> Plan<Step> {
    Plan { steps: steps.into(), wake_at: None }
}

fn forget(task: &TaskRow, now: Timestamp) -> Plan<Step> {
    let told = task.times.told_at.or(task.times.stopped_at).unwrap_or(task.created_at);
    let at = told + KEPT;
    match now >= at {
        true => Plan::step(Step::Forget(task.key.clone())),
        false => Plan::default().wake_at(at),
    }
}

/// A task whose sandbox is there: exits are judged, waiting containers are started.
fn follow(task: &TaskRow, containers: &[ContainerDefinition], now: Now<'_>) -> Plan<Step> {
    let (mut start, mut wake) = (Vec::new(), None);
    let mut waiting = false;
    for definition in containers {
        let Some(one) = definition.name.as_deref().and_then(|name| task.container(name)) else {
            continue;
        };
        match one.last_status {
            TaskStatus::Stopped if restarts(definition, one, now) => start.push(one.name.clone()),
            TaskStatus::Stopped => {
                if let Some(failure) = judge_exit(task, definition) {
                    return Plan::step(failure);
                }
            }
            TaskStatus::Pending => match readiness(definition, &task.containers) {
                Readiness::Ready => start.push(one.name.clone()),
                Readiness::Never(reason) => return Plan::step(failed(task, &reason)),
                Readiness::Waits(names) => {
                    waiting = true;
                    let left = left(task, containers, &names, now);
                    if left.is_some_and(|left| left.is_zero()) {
                        return Plan::step(failed(task, &timed_out(&names)));
                    }
                    wake = earlier(wake, left.map(|left| now.at + left));
                }
            },
            _ => {}
        }
    }
    if !start.is_empty() {
        return Plan::step(Step::Start(task.key.clone(), start));
    }
    if !waiting && task.last_status < TaskStatus::Running {
        return Plan::step(Step::Record(task.key.clone(), TaskStatus::Running));
    }
    let pending = (task.last_status < TaskStatus::Running)
        .then(|| now.at + now.left(task.created_at, PENDING_MAX));
    Plan { steps: Vec::new(), wake_at: earlier(wake, pending) }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// An exit that ends the task.
fn judge_exit(task: &TaskRow, definition: &ContainerDefinition) -> Option<Step> {
    if definition.essential == Some(false) {
        return None;
    }
    let (code, reason) = essential_exited();
    Some(Step::GiveUp(task.key.clone(), code, reason))
}

fn essential_exited() -> (TaskStopCode, String) {
    let reason = "Essential container in task exited".to_owned();
    (TaskStopCode::EssentialContainerExited, reason)
}

/// What exits that have just been written down mean for the task, in the same commit: it is to
/// stop, where one that it cannot do without has ended for good.
pub(crate) fn conclude(row: &mut TaskRow, containers: &[ContainerDefinition], now: Now<'_>) {
    let has_ended = |definition: &ContainerDefinition| {
        let one = definition.name.as_deref().and_then(|name| row.container(name));
        one.is_some_and(|one| {
            one.last_status == TaskStatus::Stopped && !restarts(definition, one, now)
        })
    };
    let essential = |one: &&ContainerDefinition| one.essential != Some(false);
    let is_over = containers.iter().filter(essential).any(has_ended);
    if !is_over || row.must_stop || row.last_status >= TaskStatus::Stopping {
        return;
    }
    let (code, reason) = essential_exited();
    row.ask_to_stop(code, reason);
    row.last_status = TaskStatus::Stopping;
    row.times.stopping_at = Some(now.at);
}

fn failed(task: &TaskRow, reason: &str) -> Step {
    let reason = format!("Task failed to start: {reason}");
    Step::GiveUp(task.key.clone(), TaskStopCode::TaskFailedToStart, reason)
}

/// Whether a container that has ended is to run again. *Developer Guide > Container restart
/// policies*.
fn restarts(definition: &ContainerDefinition, one: &TaskContainer, now: Now<'_>) -> bool {
    let Some(policy) = definition.restart_policy.as_ref().filter(|policy| policy.enabled) else {
        return false;
    };
    let (Some(started), Some(finished)) = (one.started_at, one.finished_at) else { return false };
    let ignored = policy.ignored_exit_codes.iter().flatten();
    let period = policy.restart_attempt_period.and_then(|period| u64::try_from(period).ok());
    let period = period.map_or(RESTART_AFTER, Duration::from_secs);
    now.between(started, finished) >= period
        && !ignored.copied().any(|code| Some(code) == one.exit_code)
}

/// How long these containers may be waited for yet: by their own `startTimeout`.
fn left(
    task: &TaskRow,
    containers: &[ContainerDefinition],
    names: &[String],
    now: Now<'_>,
) -> Option<Duration> {
    let own = |name: &String| {
        let definition = containers.iter().find(|one| one.name.as_ref() == Some(name))?;
        let limit = u64::try_from(definition.start_timeout?).ok()?;
        Some(now.left(task.container(name)?.started_at?, Duration::from_secs(limit)))
    };
    names.iter().filter_map(own).min()
}

fn timed_out(names: &[String]) -> String {
    format!("timed out waiting for dependency [{}].", names.join(", "))
}

#[cfg(test)]
mod tests;
