//! A service's tasks, sorted.

use std::sync::Arc;
use std::time::Duration;

use haar_ecs_contract::model::{ContainerDefinition, HealthStatus, TaskStopCode};
use haar_ledger::Snapshot;
use haar_types::Timestamp;

use crate::render::health;
use crate::rules::deployment::Counts;
use crate::rules::passing::Now;
use crate::state::{DefinitionRow, Rollout, ServiceRow, TaskRow, TaskStatus};

/// A task that runs for so long has started well. *Ours*: AWS names no such time.
pub(super) const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Begins the reason of a task that was stopped for its health.
pub(super) const UNHEALTHY: &str = "Task failed container health checks";

/// A task that is to run, and how it does.
pub(super) struct Member {
    pub(super) task: Arc<TaskRow>,
    /// Runs, and is not waited for to become healthy.
    pub(super) is_up: bool,
    /// Unhealthy for longer than the service overlooks.
    pub(super) is_sick: bool,
    /// When it will be, unhealthy as it is.
    pub(super) sick_at: Option<Timestamp>,
}

impl Member {
    /// When it has run for long enough.
    pub(super) fn stable_at(&self) -> Option<Timestamp> {
        self.task.times.started_at.filter(|_| self.is_up).map(|started| started + STABLE_AFTER)
    }
}

/// All tasks of a service.
pub(super) struct Fleet {
    /// Of the primary rollout, to be run.
    pub(super) new: Vec<Member>,
    /// Of older ones, to be run.
    pub(super) old: Vec<Member>,
    /// Ended or ending, nothing concluded from that yet.
    pub(super) unjudged: Vec<Arc<TaskRow>>,
    /// Not stopped yet, whatever is wanted.
    pub(super) alive_count: usize,
}

impl Fleet {
    pub(super) fn of(snapshot: &Snapshot, row: &ServiceRow, now: Now<'_>) -> Self {
        let primary = row.primary().map(|primary| primary.id.as_str());
        let mut fleet =
            Self { new: Vec::new(), old: Vec::new(), unjudged: Vec::new(), alive_count: 0 };
        for task in snapshot.by_index::<TaskRow>("service", &row.key.index()) {
            if task.created_at < row.created_at {
                continue; // of a service of the same name before
            }
            fleet.alive_count += usize::from(task.last_status != TaskStatus::Stopped);
            if task.desired_status() == TaskStatus::Stopped {
                if !task.is_judged {
                    fleet.unjudged.push(task);
                }
                continue;
            }
            let is_new = task.started_by.as_deref() == primary;
            let member = member(snapshot, row, task, now);
            if is_new { fleet.new.push(member) } else { fleet.old.push(member) }
        }
        fleet
    }

    /// Whether an older rollout has so many tasks up.
    pub(super) fn is_up(&self, rollout: &Rollout, count: u32) -> bool {
        let own = |member: &&Member| member.task.started_by.as_ref() == Some(&rollout.id);
        let up = self.old.iter().filter(own).filter(|member| member.is_up).count();
        count > 0 && up >= count as usize
    }

    pub(super) fn has_tasks_of(&self, rollout: &Rollout) -> bool {
        let mut all = self.new.iter().chain(&self.old);
        all.any(|member| member.task.started_by.as_ref() == Some(&rollout.id))
    }
}

/// Sick ones count for nothing: they are to be replaced.
pub(super) fn counts(members: &[Member]) -> Counts {
    let up = members.iter().filter(|member| member.is_up).count();
    let well = members.iter().filter(|member| !member.is_sick).count();
    let healthy = u32::try_from(up).unwrap_or(u32::MAX);
    Counts { healthy, pending: u32::try_from(well - up).unwrap_or(u32::MAX) }
}

fn member(snapshot: &Snapshot, row: &ServiceRow, task: Arc<TaskRow>, now: Now<'_>) -> Member {
    let definition = snapshot.get::<DefinitionRow>(&task.definition);
    let containers =
        definition.as_ref().and_then(|it| it.definition.container_definitions.as_ref());
    let containers = containers.map_or(&[][..], Vec::as_slice);
    let health = health(&task, containers);
    let is_checked = containers.iter().any(is_essential_and_checked);
    let runs = task.last_status == TaskStatus::Running;
    let grace = Duration::from_secs(row.health_grace_s.into());
    let started_at = task.times.started_at.filter(|_| health == HealthStatus::Unhealthy);
    let grace_left = started_at.map(|started| now.left(started, grace));
    Member {
        is_up: runs && (health == HealthStatus::Healthy || !is_checked),
        is_sick: grace_left.is_some_and(|left| left.is_zero()),
        sick_at: grace_left.filter(|left| !left.is_zero()).map(|left| now.at + left),
        task,
    }
}

fn is_essential_and_checked(one: &ContainerDefinition) -> bool {
    let check = one.health_check.as_ref().and_then(|check| check.command.first());
    one.essential != Some(false) && check.is_some_and(|kind| kind != "NONE")
}

/// Whether a task's end is a failed launch, which slows the service down and leads back.
pub(super) fn has_failed(task: &TaskRow, now: Now<'_>) -> bool {
    let Some(stop) = &task.stop else { return false };
    match stop.code {
        TaskStopCode::TaskFailedToStart => true,
        TaskStopCode::EssentialContainerExited => !was_stable(task, now),
        TaskStopCode::ServiceSchedulerInitiated => stop.reason.starts_with(UNHEALTHY),
        TaskStopCode::UserInitiated
        | TaskStopCode::SpotInterruption
        | TaskStopCode::TerminationNotice => false,
    }
}

fn was_stable(task: &TaskRow, now: Now<'_>) -> bool {
    let Some(started) = task.times.started_at else { return false };
    // those that ended later were stopped; those that ended earlier were not what ended it
    let by = task.times.stopping_at;
    let ended = task.containers.iter().filter_map(|one| one.finished_at);
    let ended = ended.filter(|at| by.is_none_or(|by| *at <= by)).max().or(by);
    ended.is_some_and(|ended| now.between(started, ended) >= STABLE_AFTER)
}
