//! A service's deeds, each within one transaction.

use haar_clock::Ids;
use haar_ecs_contract::model::{
    DeploymentRolloutState as State, PropagateTags, ServiceDeploymentStatus, TaskOverride,
    TaskStopCode,
};
use haar_kernel::Outbox;
use haar_ledger::Tx;
use haar_types::Tags;

use super::ServiceStep as Step;
use super::fleet::{Fleet, counts};
use super::plan::is_over;
use crate::announce;
use crate::ops::blocks_on_logs;
use crate::order::Order;
use crate::rollout::ended;
use crate::rules::capacity;
use crate::rules::deployment::IMPAIRED_AFTER;
use crate::rules::names::Place;
use crate::rules::passing::Now;
use crate::state::{
    DefinitionRow, DeploymentRow, RevisionRow, Rollout, ServicePartKey, ServiceRow, ServiceStatus,
    TaskKey, TaskRow,
};

/// What a deed is done with.
pub(super) struct Deed<'a> {
    pub(super) tx: &'a mut Tx,
    pub(super) row: &'a mut ServiceRow,
    pub(super) ids: &'a Ids,
    pub(super) outbox: &'a Outbox,
    pub(super) now: Now<'a>,
}

impl Deed<'_> {
    pub(super) fn apply(&mut self, step: Step) {
        match step {
            Step::Judge(failed, ended) => self.judge(&failed, &ended),
            Step::Forgive => self.forgive(),
            Step::Stop(tasks, code, reason) => self.stop(&tasks, code, &reason),
            Step::Start(count) => self.start(count),
            Step::Fail(reason) => self.fail(&reason),
            Step::Finish => self.finish(),
            Step::Prune => self.prune(),
            Step::TellSteady => {
                self.tell("has reached a steady state.");
                self.row.steady_told_at = Some(self.now.at);
            }
            Step::Retire => self.retire(),
        }
    }

    pub(super) fn tell(&mut self, text: &str) {
        self.row.tell(self.ids.uuid(), self.now.at, text);
    }

    pub(super) fn deployment(&mut self, change: impl FnOnce(&mut DeploymentRow)) {
        let Some(primary) = self.row.primary() else { return };
        let key = ServicePartKey::new(&self.row.key, &primary.deployment_id);
        self.tx.update::<DeploymentRow>(&key, change);
    }

    fn judge(&mut self, failed: &[TaskKey], ended: &[TaskKey]) {
        for key in failed.iter().chain(ended) {
            self.tx.update::<TaskRow>(key, |task| task.is_judged = true);
        }
        if !ended.is_empty() || !failed.is_empty() {
            self.row.steady_told_at = None;
        }
        if failed.is_empty() {
            return;
        }
        let before = self.row.failure_count;
        self.row.failure_count += u32::try_from(failed.len()).unwrap_or(u32::MAX);
        self.row.failed_at = Some(self.now.at);
        let is_impaired = before < IMPAIRED_AFTER && self.row.failure_count >= IMPAIRED_AFTER;
        if is_impaired && self.row.status == ServiceStatus::Active {
            self.tell(
                "is unable to consistently start tasks successfully. For more information, \
                       see the Troubleshooting section of the Amazon ECS Developer Guide.",
            );
        }
        let mut count = 0;
        for key in failed {
            let task = self.tx.get::<TaskRow>(key);
            let id = task.and_then(|task| task.started_by.clone());
            let rollout = self.row.rollouts.iter_mut().find(|one| Some(&one.id) == id.as_ref());
            if let Some(rollout) = rollout.filter(|one| one.state == State::InProgress) {
                rollout.failed_count += 1;
                rollout.updated_at = self.now.at;
                count = rollout.failed_count;
            }
        }
        let now = self.now.at;
        if count > 0 {
            self.deployment(|row| {
                row.breaker.failure_count = count;
                row.updated_at = now;
            });
        }
    }

    fn forgive(&mut self) {
        self.row.failure_count = 0;
        self.row.failed_at = None;
        let now = self.now.at;
        if let Some(primary) = self.row.rollouts.first_mut()
            && primary.state == State::InProgress
        {
            primary.failed_count = 0;
            self.deployment(|row| {
                row.breaker.failure_count = 0;
                row.updated_at = now;
            });
        }
    }

    fn stop(&mut self, tasks: &[TaskKey], code: TaskStopCode, reason: &str) {
        let mut stopped = Vec::new();
        for key in tasks {
            let Some(task) = self.tx.get::<TaskRow>(key).filter(|task| !task.must_stop) else {
                continue;
            };
            let mut task = TaskRow::clone(&task);
            task.ask_to_stop(code, reason);
            stopped.push(format!("(task {})", task.key.id));
            announce::task(self.outbox, self.tx, &task, self.now.at);
            self.tx.put(task);
        }
        if !stopped.is_empty() {
            self.row.steady_told_at = None;
            let text =
                format!("has stopped {} running tasks: {}.", stopped.len(), stopped.join(" "));
            self.tell(&text);
        }
    }

    fn start(&mut self, count: u32) {
        if self.row.status != ServiceStatus::Active {
            return;
        }
        let Some(primary) = self.row.primary().cloned() else { return };
        let Some(definition) = self.tx.get::<DefinitionRow>(&primary.target.definition) else {
            return;
        };
        let fleet = Fleet::of(self.tx, self.row, self.now);
        let mut providers: Vec<Option<String>> =
            fleet.new.iter().map(|member| member.task.capacity_provider.clone()).collect();
        // The desired count may have changed since the plan.
        let there = counts(&fleet.new).total();
        let room = self.row.desired_count.saturating_sub(there);
        let mut started = Vec::new();
        for _ in 0..count.min(room) {
            let has = |name: &str| {
                let same = providers.iter().filter(|one| one.as_deref() == Some(name));
                u32::try_from(same.count()).unwrap_or(u32::MAX)
            };
            let provider = capacity::next_provider(&primary.target.strategy, &has);
            let provider = provider.map(str::to_owned);
            let task = self.order(&primary, &definition, provider.clone()).row(self.ids);
            providers.push(provider);
            started.push(format!("(task {})", task.key.id));
            announce::task(self.outbox, self.tx, &task, self.now.at);
            self.tx.put(task);
        }
        if !started.is_empty() {
            let text = format!("has started {} tasks: {}.", started.len(), started.join(" "));
            self.tell(&text);
        }
    }

    fn order<'b>(
        &'b self,
        primary: &'b Rollout,
        definition: &'b DefinitionRow,
        capacity_provider: Option<String>,
    ) -> Order<'b> {
        Order {
            cluster: &self.row.key.cluster,
            definition,
            group: format!("service:{}", self.row.key.name),
            started_by: Some(primary.id.clone()),
            service: Some(self.row.key.clone()),
            capacity_provider,
            platform_version: Some(&primary.target.platform_version),
            overrides: TaskOverride::default(),
            network: primary.target.network.clone(),
            enable_execute_command: self.row.enable_execute_command,
            blocks_on_logs: blocks_on_logs(self.tx, self.place(), &self.row.created_by),
            tags: self.task_tags(definition),
            now: self.now.at,
        }
    }

    fn place(&self) -> Place<'_> {
        let cluster = &self.row.key.cluster;
        Place { account: &cluster.account, region: &cluster.region }
    }

    fn task_tags(&self, definition: &DefinitionRow) -> Tags {
        let mut tags = match self.row.propagate_tags {
            PropagateTags::TaskDefinition => definition.tags.clone(),
            PropagateTags::Service => self.row.tags.clone(),
            PropagateTags::None => Tags::new(),
        };
        if self.row.managed_tags {
            let cluster = self.row.key.cluster.name.clone();
            tags.insert("aws:ecs:clusterName".to_owned(), cluster);
            tags.insert("aws:ecs:serviceName".to_owned(), self.row.key.name.clone());
        }
        tags
    }

    fn finish(&mut self) {
        let (now, is_rollback) = (self.now.at, self.is_rolling_back());
        let Some(primary) = self.row.rollouts.first_mut() else { return };
        if primary.state != State::InProgress {
            return;
        }
        primary.state = State::Completed;
        primary.state_reason = format!("ECS deployment {} completed.", primary.id);
        primary.updated_at = now;
        let primary = primary.clone();
        self.row.rollouts.truncate(1);
        self.row.failure_count = 0;
        self.row.failed_at = None;
        self.deployment(|row| {
            let status = match is_rollback {
                true => ServiceDeploymentStatus::RollbackSuccessful,
                false => ServiceDeploymentStatus::Successful,
            };
            let reason = row.status_reason.clone().filter(|_| is_rollback).unwrap_or_default();
            row.set(status, &reason, now);
            row.finished_at = Some(now);
            row.breaker.status = ended(row.breaker.status);
        });
        self.note_images(&primary);
        self.tell(&format!("(deployment {}) deployment completed.", primary.id));
        self.tell("has reached a steady state.");
        self.row.steady_told_at = Some(now);
    }

    pub(super) fn is_rolling_back(&self) -> bool {
        let Some(primary) = self.row.primary() else { return false };
        let key = ServicePartKey::new(&self.row.key, &primary.deployment_id);
        self.tx.get::<DeploymentRow>(&key).is_some_and(|row| row.rollback.is_some())
    }

    /// The revision tells the digests that its tasks run.
    fn note_images(&mut self, primary: &Rollout) {
        let tasks = self.tx.by_index::<TaskRow>("service", &self.row.key.index());
        let mut own = tasks.filter(|task| task.started_by.as_ref() == Some(&primary.id));
        let Some(task) = own.next() else { return };
        drop(own);
        let key = ServicePartKey::new(&self.row.key, &primary.revision_id);
        self.tx.update::<RevisionRow>(&key, |revision| {
            for image in &mut revision.images {
                let name = image.container_name.as_deref().unwrap_or_default();
                if image.image_digest.is_none() {
                    let one = task.container(name);
                    image.image_digest = one.and_then(|one| one.image_digest.clone());
                }
            }
        });
    }

    fn prune(&mut self) {
        let fleet = Fleet::of(self.tx, self.row, self.now);
        let over: Vec<String> = self
            .row
            .rollouts
            .iter()
            .skip(1)
            .filter(|one| is_over(self.row, &fleet, one))
            .map(|one| one.id.clone())
            .collect();
        self.row.rollouts.retain(|one| !over.contains(&one.id));
    }

    fn retire(&mut self) {
        if self.row.status == ServiceStatus::Draining {
            self.row.status = ServiceStatus::Inactive;
            self.row.inactive_at = Some(self.now.at);
        }
    }
}
