//! Containers started, the first time and again.

use std::time::Duration;

use haar_clock::Clock;
use haar_controller::{ActCx, ActError};
use haar_ecs_contract::model::{ContainerDefinition, HealthStatus, TaskStopCode};
use haar_substrate::{ContainerState, ContainerStatus, SandboxId, SubstrateError};
use haar_types::Timestamp;

use super::Tasks;
use super::launch::start_failure;
use super::plan::conclude;
use crate::rules::passing::{Now, machine_of};
use crate::run::{exits, spec};
use crate::state::{
    DefinitionRow, Health, TaskContainer, TaskKey, TaskRow, TaskStatus, sandbox_name,
};

/// How one start went.
enum Started {
    Runs(ContainerStatus),
    Failed(String),
}

impl Tasks {
    /// Starts containers of a task whose sandbox is there.
    pub(super) async fn start(
        &self,
        cx: &ActCx,
        key: &TaskKey,
        names: &[String],
    ) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(row) = snapshot.get::<TaskRow>(key) else { return Ok(()) };
        let Some(definition) = snapshot.get::<DefinitionRow>(&row.definition) else {
            return Err(ActError::lasting("the task's definition is not there"));
        };
        self.start_all(cx, (&row, &definition), names, |_| {}).await
    }

    /// Starts containers and records what became of them, with what else there is to record, in
    /// one commit. When none waits any more, the task is `RUNNING`.
    pub(super) async fn start_all(
        &self,
        cx: &ActCx,
        (row, definition): (&TaskRow, &DefinitionRow),
        names: &[String],
        also: impl FnOnce(&mut TaskRow) + Send,
    ) -> Result<(), ActError> {
        let (key, mut started) = (&row.key, Vec::new());
        let is_wanted =
            || cx.ledger.snapshot().get::<TaskRow>(key).is_some_and(|row| !row.must_stop);
        for name in names {
            let Some(container) = row.container(name).filter(|_| is_wanted()) else { continue };
            let attempt = next_attempt(container);
            let outcome = self.start_one(row, definition, name, attempt).await?;
            started.push((name.clone(), attempt, outcome));
        }
        let changed = self.change(cx, key, |row, now| {
            also(row);
            for (name, attempt, outcome) in started {
                record(row, definition, (&name, attempt), outcome, &cx.clock);
                let early = self.room.runs.early_end((key, &name, attempt));
                if let (Some((exit, at)), Some(one)) = (early, row.container_mut(&name)) {
                    exits::record(one, attempt, exit, at);
                }
            }
            settle(row, now);
            let to_machine = machine_of(&cx.clock);
            conclude(row, Self::definitions(Some(definition)), Now::new(now, &to_machine));
        });
        if let Some(row) = changed.await? {
            self.room.follow(&row, definition);
            self.room.note_loss(key).await;
        }
        Ok(())
    }

    async fn start_one(
        &self,
        row: &TaskRow,
        definition: &DefinitionRow,
        name: &str,
        attempt: u32,
    ) -> Result<Started, ActError> {
        let id = SandboxId(sandbox_name(&row.key));
        let spec = match self.room.container(row, definition, name, attempt).await {
            Ok(spec) => spec,
            Err(reason) => {
                return Ok(Started::Failed(format!("ResourceInitializationError: {reason}")));
            }
        };
        match self.room.doors.substrate.start(&id, spec).await {
            Ok(status) => match status.containers.get(name) {
                Some(status) => Ok(Started::Runs(status.clone())),
                None => Err(ActError::transient("the container that was started is not there")),
            },
            Err(SubstrateError::Gone(_)) => {
                Ok(Started::Failed("CannotStartContainerError: its host is gone".to_owned()))
            }
            Err(error) => match start_failure(&error) {
                Some(reason) => Ok(Started::Failed(reason)),
                None => Err(ActError::transient(error)),
            },
        }
    }
}

/// A container that has run before is started as its next run.
fn next_attempt(container: &TaskContainer) -> u32 {
    match container.last_status {
        TaskStatus::Stopped => container.attempt + 1,
        _ => container.attempt,
    }
}

fn record(
    row: &mut TaskRow,
    definition: &DefinitionRow,
    (name, attempt): (&str, u32),
    outcome: Started,
    clock: &Clock,
) {
    let check_after = check_interval(definition, name);
    let Some(container) = row.container_mut(name) else { return };
    if container.attempt > attempt {
        return; // a later run is known already
    }
    match outcome {
        Started::Runs(status) => {
            let is_known = container.attempt == attempt && container.started_at.is_some();
            container.attempt = attempt;
            if !is_known {
                container.started_at = Some(clock.of_machine(status.started_at));
                container.last_status = TaskStatus::Running;
                container.finished_at = None;
                container.exit_code = None;
                container.reason = None;
                container.health = container.health.take().map(|_| Health {
                    status: HealthStatus::Unknown,
                    failure_count: 0,
                    due_at: status.started_at + check_after,
                    since: status.started_at,
                });
            }
            if let ContainerState::Exited(exit) = status.state {
                let ended_at =
                    status.ended_at.map_or_else(|| clock.now(), |at| clock.of_machine(at));
                exits::record(container, attempt, exit, ended_at);
            }
        }
        Started::Failed(reason) => {
            container.last_status = TaskStatus::Stopped;
            container.reason = Some(reason);
            container.finished_at = Some(clock.now());
            row.ask_to_stop(TaskStopCode::TaskFailedToStart, "Task failed to start");
        }
    }
}

fn check_interval(definition: &DefinitionRow, name: &str) -> Duration {
    let mut all = definition.definition.container_definitions.iter().flatten();
    let found: Option<&ContainerDefinition> = all.find(|one| one.name.as_deref() == Some(name));
    let check = found.and_then(|one| one.health_check.as_ref());
    spec::seconds(check.and_then(|check| check.interval), 30)
}

/// `RUNNING`, once no container waits to be started.
fn settle(row: &mut TaskRow, now: Timestamp) {
    let waits = row.containers.iter().any(|one| one.last_status == TaskStatus::Pending);
    if !waits && !row.must_stop && row.last_status < TaskStatus::Running {
        row.last_status = TaskStatus::Running;
        row.times.started_at = Some(now);
    }
}

impl Tasks {
    /// The definitions of a task's containers.
    pub(super) fn definitions(definition: Option<&DefinitionRow>) -> &[ContainerDefinition] {
        let all = definition.and_then(|row| row.definition.container_definitions.as_deref());
        all.unwrap_or_default()
    }
}
