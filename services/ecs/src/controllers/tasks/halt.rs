//! A task's end: its containers stopped, its output read to the end, its sandbox removed.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_controller::{ActCx, ActError};
use haar_ecs_contract::model::ContainerDefinition;
use haar_substrate::{Exit, SandboxId, SubstrateError};
use haar_types::Timestamp;

use super::Tasks;
use crate::run::exits;
use crate::state::{DefinitionRow, TaskKey, TaskRow, TaskStatus, sandbox_name};

/// `stopTimeout` where it is not told.
const STOP_TIMEOUT_S: u64 = 30;

/// What a sandbox gets that has nothing left to stop.
const NO_GRACE: Duration = Duration::from_secs(1);

impl Tasks {
    /// Stops all and removes the sandbox, then gives the interface back and records `STOPPED`, in
    /// one commit.
    pub(super) async fn halt(&self, cx: &ActCx, key: &TaskKey) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(row) = snapshot.get::<TaskRow>(key) else { return Ok(()) };
        if row.last_status != TaskStatus::Stopping {
            return Ok(());
        }
        let definition = snapshot.get::<DefinitionRow>(&row.definition);
        let definitions = Self::definitions(definition.as_deref());
        if let Some(definition) = &definition {
            self.room.follow(&row, definition); // after a restart its output may not be read yet
        }
        // a program may take its whole grace to end
        let ends = cx.aside(self.stop_all(&row, definitions)).await?;
        self.room.drain(&row).await;
        let id = SandboxId(sandbox_name(key));
        let removed = self.room.doors.substrate.remove(&id, NO_GRACE).await;
        removed.map_err(ActError::transient)?;
        self.room.unfollow(key);
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            let Some(row) = tx.get::<TaskRow>(key) else { return Ok(()) };
            if row.last_status != TaskStatus::Stopping {
                return Ok(());
            }
            let mut row = TaskRow::clone(&row);
            for container in &mut row.containers {
                if let Some((exit, at)) = ends.get(&container.name) {
                    exits::record(container, container.attempt, *exit, *at);
                }
                if container.last_status == TaskStatus::Running {
                    // gone with its sandbox, nobody knows when
                    container.finished_at = Some(now);
                }
            }
            // programs may have ended long ago, while nobody looked
            let ended = row.containers.iter().filter_map(|one| one.finished_at).max();
            let ended = ended.unwrap_or(now).min(now);
            row.times.execution_stopped_at = Some(ended);
            if ended <= self.room.began_at {
                // there was nobody whom it could have waited for
                row.times.stopping_at = row.times.stopping_at.map(|at| at.min(ended));
                row.times.stopped_at = Some(ended);
            }
            self.end(tx, row, now);
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }

    /// Those that others wait for are stopped last.
    async fn stop_all(
        &self,
        row: &TaskRow,
        definitions: &[ContainerDefinition],
    ) -> Result<BTreeMap<String, (Exit, Timestamp)>, ActError> {
        let mut ends = BTreeMap::new();
        for layer in layers(definitions) {
            let runs = layer.into_iter().filter(|(name, _)| {
                row.container(name).is_some_and(|one| one.last_status == TaskStatus::Running)
            });
            let stops = runs.map(|(name, grace)| self.stop_one(row, name, grace));
            for (name, end) in futures_util::future::try_join_all(stops).await? {
                ends.extend(end.map(|end| (name, end)));
            }
        }
        Ok(ends)
    }

    async fn stop_one(
        &self,
        row: &TaskRow,
        name: String,
        grace: Duration,
    ) -> Result<(String, Option<(Exit, Timestamp)>), ActError> {
        let id = SandboxId(sandbox_name(&row.key));
        match self.room.doors.substrate.stop(&id, &name, grace).await {
            Ok(end) => {
                let at = self.room.doors.clock.of_machine(end.at);
                Ok((name, Some((end.exit, at))))
            }
            Err(SubstrateError::Gone(_)) => Ok((name, None)),
            Err(error) => Err(ActError::transient(error)),
        }
    }
}

/// Containers with their grace, in layers: first those that nobody waits for.
fn layers(definitions: &[ContainerDefinition]) -> Vec<Vec<(String, Duration)>> {
    let mut rest: Vec<&ContainerDefinition> = definitions.iter().collect();
    let mut layers = Vec::new();
    while !rest.is_empty() {
        let is_needed = |name: &Option<String>| {
            let mut needs = rest.iter().flat_map(|one| one.depends_on.iter().flatten());
            needs.any(|need| Some(&need.container_name) == name.as_ref())
        };
        let (needed, free): (Vec<_>, Vec<_>) =
            rest.iter().copied().partition(|one| is_needed(&one.name));
        // Circles are refused at registration; without this one would never end.
        let (layer, next) = if free.is_empty() { (needed, Vec::new()) } else { (free, needed) };
        let with_grace = |one: &&ContainerDefinition| {
            let timeout = one.stop_timeout.and_then(|timeout| u64::try_from(timeout).ok());
            let grace = Duration::from_secs(timeout.unwrap_or(STOP_TIMEOUT_S));
            (one.name.clone().unwrap_or_default(), grace)
        };
        layers.push(layer.iter().map(with_grace).collect());
        rest = next;
    }
    layers
}
