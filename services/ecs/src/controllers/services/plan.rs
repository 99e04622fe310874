//! What is to be done for a service: rows and time in, steps out.

use std::time::Duration;

use haar_controller::Plan;
use haar_ecs_contract::model::TaskStopCode;
use haar_ecs_contract::model::{DeploymentRolloutState as State, ServiceDeploymentStatus};
use haar_ledger::Snapshot;
use haar_types::Timestamp;

use super::ServiceStep as Step;
use super::fleet::{Fleet, Member, UNHEALTHY, counts, has_failed};
use crate::rules::deployment::{self, Bounds, Counts};
use crate::rules::passing::Now;
use crate::state::{
    DeploymentRow, Rollout, ServiceKey, ServicePartKey, ServiceRow, ServiceStatus, TaskKey,
};

/// Tasks that are ordered in one commit.
const BATCH_MAX: u32 = 50;

/// How often steady state is told. *Developer Guide > Service event messages*.
const STEADY_EVERY: Duration = Duration::from_secs(6 * 3600);

pub(super) fn plan(snapshot: &Snapshot, key: &ServiceKey, now: Now<'_>) -> Plan<Step> {
    let Some(row) = snapshot.get::<ServiceRow>(key) else { return Plan::default() };
    let fleet = Fleet::of(snapshot, &row, now);
    match row.status {
        ServiceStatus::Inactive => Plan::default(),
        ServiceStatus::Draining => drain(&row, &fleet),
        ServiceStatus::Active => Planning { snapshot, row: &row, fleet: &fleet, now }.plan(),
    }
}

/// A deleted service's tasks are stopped, protected or not.
fn drain(row: &ServiceRow, fleet: &Fleet) -> Plan<Step> {
    let members = fleet.new.iter().chain(&fleet.old);
    let tasks: Vec<TaskKey> = members.map(|member| member.task.key.clone()).collect();
    if !tasks.is_empty() {
        return Plan::step(scale_in(row, tasks));
    }
    if !fleet.unjudged.is_empty() {
        let ended = fleet.unjudged.iter().map(|task| task.key.clone()).collect();
        return Plan::step(Step::Judge(Vec::new(), ended));
    }
    match fleet.alive_count {
        0 => Plan::step(Step::Retire),
        _ => Plan::default(),
    }
}

fn scale_in(row: &ServiceRow, tasks: Vec<TaskKey>) -> Step {
    let deployment = row.primary().map(|primary| primary.id.as_str()).unwrap_or_default();
    let reason = format!("Scaling activity initiated by (deployment {deployment})");
    Step::Stop(tasks, TaskStopCode::ServiceSchedulerInitiated, reason)
}

struct Planning<'a> {
    snapshot: &'a Snapshot,
    row: &'a ServiceRow,
    fleet: &'a Fleet,
    now: Now<'a>,
}

impl Planning<'_> {
    fn plan(&self) -> Plan<Step> {
        let Some(primary) = self.row.primary() else { return Plan::default() };
        if let Some(step) = self.judge().or_else(|| self.fail(primary)) {
            return Plan::step(step);
        }
        let (forgive, forgive_at) = self.forgive();
        if forgive {
            return Plan::step(Step::Forgive);
        }
        if let Some(step) = self.stop_sick() {
            return Plan::step(step);
        }
        let mut plan = self.moves(primary);
        if plan.steps.is_empty() {
            let next = self.settle(primary);
            plan.steps = next.steps;
            plan.wake_at = earlier(plan.wake_at, next.wake_at);
        }
        let sick_at = self.fleet.new.iter().filter_map(|member| member.sick_at).min();
        plan.wake_at = earlier(plan.wake_at, earlier(forgive_at, sick_at));
        plan
    }

    fn judge(&self) -> Option<Step> {
        let (failed, ended): (Vec<_>, Vec<_>) =
            self.fleet.unjudged.iter().partition(|task| has_failed(task, self.now));
        let keys = |tasks: Vec<&std::sync::Arc<crate::state::TaskRow>>| {
            tasks.into_iter().map(|task| task.key.clone()).collect()
        };
        (!self.fleet.unjudged.is_empty()).then(|| Step::Judge(keys(failed), keys(ended)))
    }

    /// The circuit breaker, and a customer who wants to go back.
    fn fail(&self, primary: &Rollout) -> Option<Step> {
        if primary.state != State::InProgress {
            return None;
        }
        let key = ServicePartKey::new(&self.row.key, &primary.deployment_id);
        let row = self.snapshot.get::<DeploymentRow>(&key)?;
        if row.status == ServiceDeploymentStatus::RollbackRequested && row.rollback.is_none() {
            return Some(Step::Fail("the rollback was requested".to_owned()));
        }
        let (watches, _) = deployment::breaker(&row.configuration);
        let is_triggered = watches && primary.failed_count >= row.breaker.threshold;
        is_triggered.then(|| Step::Fail("tasks failed to start".to_owned()))
    }

    /// Whether a task has become stable since the last failure, or when one will have.
    fn forgive(&self) -> (bool, Option<Timestamp>) {
        let Some(failed_at) = self.row.failed_at else { return (false, None) };
        let stable = self.fleet.new.iter().filter_map(Member::stable_at);
        let stable: Vec<_> = stable.filter(|at| *at > failed_at).collect();
        let is_now = stable.iter().any(|at| *at <= self.now.at);
        (is_now, stable.into_iter().min())
    }

    /// Unhealthy tasks whose replacements are up, or one of those whose replacements find no room.
    /// *API Reference > CreateService*: `minimumHealthyPercent`, `maximumPercent`.
    fn stop_sick(&self) -> Option<Step> {
        let of = |members: &[Member]| -> Vec<TaskKey> {
            let sick = members.iter().filter(|member| member.is_sick);
            sick.map(|member| member.task.key.clone()).collect()
        };
        let desired = usize::try_from(self.row.desired_count).unwrap_or(usize::MAX);
        let most = Bounds::of(self.row.desired_count, &self.row.configuration).most;
        let all = u32::try_from(self.fleet.new.len() + self.fleet.old.len()).unwrap_or(u32::MAX);
        let mut sick = of(&self.fleet.new);
        let well = self.fleet.new.len() - sick.len();
        let up = self.fleet.new.iter().filter(|member| member.is_up).count();
        let replaced = (up + sick.len()).saturating_sub(desired);
        let is_stuck = well < desired && all >= most;
        sick.truncate(replaced.max(usize::from(is_stuck)));
        sick.extend(of(&self.fleet.old));
        let code = TaskStopCode::ServiceSchedulerInitiated;
        (!sick.is_empty()).then(|| Step::Stop(sick, code, UNHEALTHY.to_owned()))
    }

    /// A deployment that failed starts nothing until the next one; fewer tasks it may become.
    fn shrink(&self) -> Plan<Step> {
        let size = |members: &[Member]| u32::try_from(members.len()).unwrap_or(u32::MAX);
        let (new, old) = (size(&self.fleet.new), size(&self.fleet.old));
        let surplus = (new + old).saturating_sub(self.row.desired_count);
        let (mut leaving, wake) = self.pick(&self.fleet.new, surplus.min(new));
        let (more, wake_old) = self.pick(&self.fleet.old, surplus.saturating_sub(new));
        leaving.extend(more);
        let steps = if leaving.is_empty() { Vec::new() } else { vec![scale_in(self.row, leaving)] };
        Plan { steps, wake_at: earlier(wake, wake_old) }
    }

    /// Tasks to start and to stop.
    fn moves(&self, primary: &Rollout) -> Plan<Step> {
        if primary.state == State::Failed {
            return self.shrink();
        }
        let desired = self.row.desired_count;
        let bounds = Bounds::of(desired, &self.row.configuration);
        let mut plan = Plan::default();
        let old = counts(&self.fleet.old);
        let mut new = counts(&self.fleet.new);
        if old.total() > 0 {
            // What has only just begun to run does not replace what has run for long.
            (new, plan.wake_at) = self.proven();
        }
        let sick = self.fleet.new.iter().filter(|member| member.is_sick).count();
        let sick = u32::try_from(sick).unwrap_or(u32::MAX);
        let moves = deployment::moves(desired, bounds, (new, sick), old);
        let (mut leaving, wake) = self.pick(&self.fleet.old, moves.stop_old);
        let (leaving_new, wake_new) = self.pick(&self.fleet.new, moves.stop_new);
        leaving.extend(leaving_new);
        plan.wake_at = earlier(plan.wake_at, earlier(wake, wake_new));
        if !leaving.is_empty() {
            plan.steps.push(scale_in(self.row, leaving));
        }
        if moves.start > 0 {
            let failed_at = self.row.failed_at.unwrap_or(self.now.at);
            let retry_at = failed_at + deployment::back_off(self.row.failure_count);
            match retry_at <= self.now.at {
                true => plan.steps.push(Step::Start(moves.start.min(BATCH_MAX))),
                false => plan.wake_at = earlier(plan.wake_at, Some(retry_at)),
            }
        }
        plan
    }

    /// New tasks, those alone as healthy that have run for long enough; and when more will have.
    fn proven(&self) -> (Counts, Option<Timestamp>) {
        let stable = self.fleet.new.iter().filter_map(Member::stable_at);
        let (proven, waiting): (Vec<_>, Vec<_>) = stable.partition(|at| *at <= self.now.at);
        let healthy = u32::try_from(proven.len()).unwrap_or(u32::MAX);
        let well = self.fleet.new.iter().filter(|member| !member.is_sick).count();
        let pending = u32::try_from(well - proven.len()).unwrap_or(u32::MAX);
        (Counts { healthy, pending }, waiting.into_iter().min())
    }

    /// Those that are missed least: not up, then the youngest. Protected ones stay; the time is
    /// when the first of them may go.
    fn pick(&self, members: &[Member], count: u32) -> (Vec<TaskKey>, Option<Timestamp>) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (held, mut free): (Vec<_>, Vec<_>) =
            members.iter().partition(|member| member.task.is_protected(self.now.at));
        free.sort_by_key(|member| (member.is_up, std::cmp::Reverse(member.task.created_at)));
        let picked: Vec<TaskKey> =
            free.iter().take(count).map(|member| member.task.key.clone()).collect();
        let wake = held.iter().filter_map(|member| member.task.protected_until).min();
        let wake = wake.filter(|_| picked.len() < count);
        (picked, wake)
    }

    /// Completion, steady state, and what is over.
    fn settle(&self, primary: &Rollout) -> Plan<Step> {
        let new = counts(&self.fleet.new);
        let is_there = new.healthy == self.row.desired_count
            && self.fleet.new.len() == new.healthy as usize
            && self.fleet.old.is_empty();
        if !is_there {
            return self.prune(primary);
        }
        let stable_at = self.fleet.new.iter().filter_map(Member::stable_at).max();
        if let Some(at) = stable_at.filter(|at| *at > self.now.at) {
            return Plan::default().wake_at(at);
        }
        if primary.state == State::InProgress {
            return Plan::step(Step::Finish);
        }
        match self.row.steady_told_at {
            Some(told) if self.now.at < told + STEADY_EVERY => {
                Plan::default().wake_at(told + STEADY_EVERY)
            }
            _ if primary.state == State::Completed => Plan::step(Step::TellSteady),
            _ => Plan::default(),
        }
    }

    fn prune(&self, primary: &Rollout) -> Plan<Step> {
        let over = self.row.rollouts.iter().skip(1);
        let is_over = |rollout: &&Rollout| is_over(self.row, self.fleet, rollout);
        match primary.state == State::InProgress && over.into_iter().any(|one| is_over(&one)) {
            true => Plan::step(Step::Prune),
            false => Plan::default(),
        }
    }
}

/// Whether an older rollout has no tasks and is not the one to go back to.
pub(super) fn is_over(row: &ServiceRow, fleet: &Fleet, rollout: &Rollout) -> bool {
    let haven = row.rollouts.iter().skip(1).find(|one| one.state == State::Completed);
    haven.is_none_or(|haven| haven.id != rollout.id) && !fleet.has_tasks_of(rollout)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
