//! The end of a rollout that failed. *Developer Guide > Deployment circuit breaker*.

use haar_ecs_contract::model::{
    DeploymentRolloutState as State, ServiceDeploymentRollbackMonitorsStatus as Monitors,
    ServiceDeploymentStatus as Status,
};

use super::apply::Deed;
use super::fleet::Fleet;
use crate::rollout::ended;
use crate::rules::deployment;
use crate::state::{RollbackFacts, Rollout, TaskRow};

const NO_CANDIDATE: &str = "No rollback candidate was found to run the rollback.";

impl Deed<'_> {
    /// Stops the primary rollout, and goes back where that is wanted and there is a way.
    pub(super) fn fail(&mut self, reason: &str) {
        let Some(failed) = self.row.primary().cloned() else { return };
        if failed.state != State::InProgress {
            return;
        }
        let is_breaker = reason == "tasks failed to start";
        let (_, goes_back) = deployment::breaker(&self.row.configuration);
        let was_rollback = self.is_rolling_back();
        self.mark_failed(reason, is_breaker);
        let text = format!("(deployment {}) deployment failed: {reason}.", failed.id);
        self.tell(&text);
        if was_rollback {
            return self.end_deployment(Status::RollbackFailed, reason, is_breaker);
        }
        if is_breaker && !goes_back {
            let reason = "Service deployment circuit breaker was triggered.";
            return self.end_deployment(Status::Stopped, reason, is_breaker);
        }
        match self.haven() {
            None => self.end_deployment(Status::RollbackFailed, NO_CANDIDATE, is_breaker),
            Some(at) => self.go_back(at, &failed, is_breaker),
        }
    }

    /// Where among the rollouts the one to go back to is: the last that was completed. Where none
    /// was, one that was on its way and has all its tasks up will do (*ours*): clients that wait
    /// for a stable service wait for no more than that.
    fn haven(&self) -> Option<usize> {
        let older = || self.row.rollouts.iter().enumerate().skip(1);
        let completed = older().find(|(_, one)| one.state == State::Completed);
        let found = completed.or_else(|| {
            let fleet = Fleet::of(self.tx, self.row, self.now);
            older().find(|(_, one)| fleet.is_up(one, self.row.desired_count))
        });
        found.map(|(at, _)| at)
    }

    fn mark_failed(&mut self, reason: &str, is_breaker: bool) {
        let now = self.now.at;
        if let Some(primary) = self.row.rollouts.first_mut() {
            primary.state = State::Failed;
            primary.state_reason = match is_breaker {
                true => format!("ECS deployment circuit breaker: {reason}."),
                false => format!("ECS deployment {} failed: {reason}.", primary.id),
            };
            primary.updated_at = now;
        }
    }

    fn end_deployment(&mut self, status: Status, reason: &str, is_breaker: bool) {
        let now = self.now.at;
        self.deployment(|row| {
            row.set(status, reason, now);
            row.stopped_at = Some(now);
            row.breaker.status = match is_breaker {
                true => Monitors::Triggered,
                false => ended(row.breaker.status),
            };
        });
    }

    /// The rollout at a position becomes the primary one again.
    fn go_back(&mut self, at: usize, failed: &Rollout, is_breaker: bool) {
        let now = self.now.at;
        let mut haven = self.row.rollouts.remove(at);
        let reason = match is_breaker {
            true => "Service deployment rolled back because the circuit breaker was triggered.",
            false => "Service deployment rolled back because it was stopped.",
        };
        self.deployment(|row| {
            row.set(Status::RollbackInProgress, reason, now);
            row.rollback = Some(RollbackFacts {
                reason: reason.to_owned(),
                started_at: now,
                revision_id: haven.revision_id.clone(),
            });
            row.breaker.status =
                if is_breaker { Monitors::Triggered } else { ended(row.breaker.status) };
        });
        haven.deployment_id.clone_from(&failed.deployment_id);
        haven.state = State::InProgress;
        haven.state_reason = match is_breaker {
            true => {
                format!(
                    "ECS deployment circuit breaker: rolling back to deploymentId {}.",
                    haven.id
                )
            }
            false => format!("ECS deployment {} in progress.", haven.id),
        };
        haven.failed_count = 0;
        haven.updated_at = now;
        let text = format!("rolling back to deployment {}.", haven.id);
        self.row.rollouts.insert(0, haven);
        self.row.failure_count = 0;
        self.row.failed_at = None;
        self.tell(&text);
        self.forget_failures(failed);
    }

    /// What still fails of the old rollout says nothing about the one gone back to.
    fn forget_failures(&mut self, failed: &Rollout) {
        let tasks = self.tx.by_index::<TaskRow>("service", &self.row.key.index());
        let ended = tasks.filter(|task| {
            task.started_by.as_ref() == Some(&failed.id) && task.stop.is_some() && !task.is_judged
        });
        let keys: Vec<_> = ended.map(|task| task.key.clone()).collect();
        for key in keys {
            self.tx.update::<TaskRow>(&key, |task| task.is_judged = true);
        }
    }
}
