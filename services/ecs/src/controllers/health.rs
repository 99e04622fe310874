//! Health checks: commands run in containers, and what follows from their exit codes.
//!
//! *Developer Guide > Container health checks*. A check is exit code 0; failures in the start
//! period do not count; so many in a row as `retries` says make the container unhealthy.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan, TimeOf};
use haar_ecs_contract::model::{ContainerDefinition, HealthCheck, HealthStatus};
use haar_ledger::{ChangeSet, Snapshot};
use haar_substrate::{ExecSpec, SandboxId, SubstrateError};
use haar_types::Timestamp;

use crate::Ecs;
use crate::announce;
use crate::run::spec::seconds;
use crate::state::{DefinitionRow, TaskContainer, TaskKey, TaskRow, TaskStatus, sandbox_name};

/// Runs health checks.
pub struct Health {
    room: Arc<Ecs>,
}

/// A container of a task.
pub type ContainerKey = (TaskKey, String);

/// One check of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStep(ContainerKey);

impl Health {
    /// The controller of a room's health checks.
    pub fn new(room: Arc<Ecs>) -> Self {
        Self { room }
    }

    /// Whether the command succeeds in time.
    async fn probe(
        &self,
        cx: &ActCx,
        key: &ContainerKey,
        check: &HealthCheck,
    ) -> Result<bool, ActError> {
        let argv: Vec<&str> = check.command.iter().map(String::as_str).collect();
        let exec = match argv.split_first() {
            Some((&"CMD", rest)) => ExecSpec::new(rest),
            Some((_, rest)) => ExecSpec::new(&["/bin/sh", "-c", &rest.join(" ")]),
            None => return Ok(true),
        };
        let id = SandboxId(sandbox_name(&key.0));
        let session = match self.room.doors.substrate.exec(&id, &key.1, exec).await {
            Ok(session) => session,
            Err(SubstrateError::Gone(_)) => return Err(ActError::lasting("the container is gone")),
            Err(error) if error.is_transient() => return Err(ActError::transient(error)),
            Err(_) => return Ok(false),
        };
        let limit = seconds(check.timeout, 5);
        // the command may take all its time
        let exit = cx.aside(self.room.doors.clock.timeout(limit, session.wait())).await;
        Ok(matches!(exit, Ok(Ok(exit)) if exit.code == Some(0)))
    }

    async fn check(&self, key: &ContainerKey, cx: &ActCx) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(found) = Found::of(&snapshot, key) else { return Ok(()) };
        let (attempt, check) = (found.container.attempt, found.check);
        let is_well = self.probe(cx, key, &check).await?;
        let (machine_now, now) = (cx.clock.now(), self.room.doors.clock.now());
        let committed = cx.ledger.transact(|tx| {
            let Some(row) = tx.get::<TaskRow>(&key.0) else { return Ok(()) };
            let mut row = TaskRow::clone(&row);
            if let Some(container) = row.container_mut(&key.1).filter(|it| it.attempt == attempt)
                && judge(container, &check, is_well, machine_now)
            {
                row.version += 1;
            }
            announce::task(&self.room.doors.outbox, tx, &row, now);
            tx.put(row);
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}

/// Writes a verdict down; true when the status changed. A container's health is in the machine's
/// time, and unknown since it started.
fn judge(
    container: &mut TaskContainer,
    check: &HealthCheck,
    is_well: bool,
    now: Timestamp,
) -> bool {
    let Some(health) = &mut container.health else { return false };
    let before = health.status;
    health.due_at = now + seconds(check.interval, 30);
    let in_start_period =
        before == HealthStatus::Unknown && now < health.since + seconds(check.start_period, 0);
    if is_well {
        health.failure_count = 0;
        health.status = HealthStatus::Healthy;
    } else if !in_start_period {
        health.failure_count += 1;
        let retries = check.retries.and_then(|retries| u32::try_from(retries).ok()).unwrap_or(3);
        if health.failure_count >= retries {
            health.status = HealthStatus::Unhealthy;
        }
    }
    if health.status != before {
        health.since = now;
    }
    health.status != before
}

/// A running container that has a health check.
struct Found {
    container: TaskContainer,
    check: HealthCheck,
}

impl Found {
    fn of(snapshot: &Snapshot, key: &ContainerKey) -> Option<Self> {
        let row = snapshot.get::<TaskRow>(&key.0).filter(|row| !row.must_stop)?;
        let container = row.container(&key.1)?;
        if container.last_status != TaskStatus::Running {
            return None;
        }
        let definition = snapshot.get::<DefinitionRow>(&row.definition)?;
        let mut all = definition.definition.container_definitions.iter().flatten();
        let named = |one: &&ContainerDefinition| one.name.as_ref() == Some(&key.1);
        let check = all.find(named)?.health_check.clone()?;
        Some(Self { container: container.clone(), check })
    }
}

fn keys_of(row: &TaskRow) -> impl Iterator<Item = ContainerKey> + '_ {
    let checked = row.containers.iter().filter(|one| one.health.is_some());
    checked.map(|one| (row.key.clone(), one.name.clone()))
}

impl Controller for Health {
    type Key = ContainerKey;
    type Step = CheckStep;
    const NAME: &'static str = "ecs.health";
    const TIME: TimeOf = TimeOf::Machine; // checks and what they look at are real
    const CONCURRENCY: usize = 64;

    fn keys(&self, changes: &ChangeSet) -> Vec<ContainerKey> {
        let rows = changes.rows::<TaskRow>().filter_map(|(_, new)| new);
        rows.flat_map(|row| keys_of(&row).collect::<Vec<_>>()).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<ContainerKey> {
        let rows = snapshot.by_index_prefix::<TaskRow>("alive", "");
        rows.flat_map(|row| keys_of(&row).collect::<Vec<_>>()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &ContainerKey, now: Timestamp) -> Plan<CheckStep> {
        let Some(found) = Found::of(snapshot, key) else { return Plan::default() };
        let due = found.container.health.map_or(now, |health| health.due_at);
        match due <= now {
            true => Plan::step(CheckStep(key.clone())),
            false => Plan::default().wake_at(due),
        }
    }

    async fn act(&self, step: CheckStep, cx: &ActCx) -> Result<(), ActError> {
        self.check(&step.0, cx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Health as Verdict;

    fn container(status: HealthStatus) -> TaskContainer {
        let at = Timestamp(0);
        TaskContainer {
            name: "web".to_owned(),
            id: String::new(),
            last_status: TaskStatus::Running,
            image_digest: None,
            image_id: None,
            attempt: 0,
            started_at: Some(at),
            finished_at: None,
            exit_code: None,
            reason: None,
            health: Some(Verdict { status, failure_count: 0, due_at: at, since: at }),
        }
    }

    fn check() -> HealthCheck {
        HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            interval: Some(10),
            timeout: Some(5),
            retries: Some(2),
            start_period: Some(60),
        }
    }

    fn status(container: &TaskContainer) -> HealthStatus {
        container.health.as_ref().unwrap().status
    }

    #[test]
    fn failures_in_the_start_period_do_not_count() {
        let mut one = container(HealthStatus::Unknown);
        for second in [10, 20, 30] {
            assert!(!judge(&mut one, &check(), false, Timestamp(second * 1000)));
        }
        assert_eq!(status(&one), HealthStatus::Unknown);
        assert!(!judge(&mut one, &check(), false, Timestamp(70_000)));
        assert!(judge(&mut one, &check(), false, Timestamp(80_000)));
        assert_eq!(status(&one), HealthStatus::Unhealthy);
    }

    #[test]
    fn one_success_is_enough_and_forgives() {
        let mut one = container(HealthStatus::Unknown);
        assert!(judge(&mut one, &check(), true, Timestamp(10_000)));
        judge(&mut one, &check(), false, Timestamp(100_000));
        judge(&mut one, &check(), true, Timestamp(110_000));
        judge(&mut one, &check(), false, Timestamp(120_000));
        assert_eq!(status(&one), HealthStatus::Healthy);
        assert_eq!(one.health.unwrap().due_at, Timestamp(130_000));
    }
}
