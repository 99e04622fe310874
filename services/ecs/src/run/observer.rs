//! What the substrate tells, written into rows: exits, losses, and what nobody owns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use haar_controller::ActError;
use haar_ecs_contract::model::TaskStopCode;
use haar_ledger::Snapshot;
use haar_substrate::{ContainerState, Event, Exit, SandboxId, SandboxStatus, SubstrateError};
use haar_types::Timestamp;

use super::{exits, spec};
use crate::Ecs;
use crate::announce;
use crate::controllers::conclude;
use crate::rules::passing::{Now, machine_of};
use crate::state::{DefinitionRow, TaskKey, TaskRow, TaskStatus};

/// Between attempts to reach a substrate that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// How often everything is compared though nothing was told.
const COMPARE_EVERY: Duration = Duration::from_secs(60);

impl Ecs {
    /// Follows what the substrate tells; never ends. The wiring spawns it.
    pub async fn observe(self: Arc<Self>) {
        self.follow_all();
        loop {
            if let Err(error) = self.observe_once().await {
                tracing::warn!(%error, "could not follow what happens to tasks");
            }
            self.doors.clock.sleep(RETRY).await;
        }
    }

    /// Ends all tasks at once, whatever the rows say: nothing is kept, or all is reset.
    pub async fn end_all(&self) {
        let list = match self.doors.substrate.list().await {
            Ok(list) => list,
            Err(error) => return tracing::warn!(%error, "could not list what runs"),
        };
        let ends = list.iter().filter(is_ours).map(async |one| {
            if let Err(error) = self.doors.substrate.remove(&one.id, Duration::ZERO).await {
                tracing::warn!(%error, id = %one.id, "could not end a task");
            }
        });
        futures_util::future::join_all(ends).await;
    }

    async fn observe_once(self: &Arc<Self>) -> Result<(), SubstrateError> {
        let mut events = self.doors.substrate.watch().await?;
        self.compare().await?;
        loop {
            match self.doors.clock.timeout(COMPARE_EVERY, events.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Event::Exited { id, container, attempt, exit, at })) => {
                    let end = (exit, self.doors.clock.of_machine(at));
                    self.exited(&id, (&container, attempt), end).await;
                }
                Ok(Some(Event::Lost(id))) => self.lost(&id).await,
                Ok(Some(Event::OutOfMemory { .. })) => {} // its exit tells it
                Ok(Some(Event::Missed)) | Err(_) => self.compare().await?,
            }
        }
    }

    /// Compares what is there with what the rows say.
    async fn compare(self: &Arc<Self>) -> Result<(), SubstrateError> {
        // Rows first: a sandbox that is made in between is in the list that follows.
        let snapshot = self.doors.ledger.snapshot();
        let list = self.doors.substrate.list().await?;
        let there: BTreeMap<_, _> =
            list.iter().filter(is_ours).map(|one| (one.id.0.as_str(), one)).collect();
        for row in snapshot.by_index_prefix::<TaskRow>("alive", "") {
            let name = crate::state::sandbox_name(&row.key);
            match there.get(name.as_str()) {
                Some(status) => self.catch_up(&row, status).await,
                None if row.is_made && row.last_status < TaskStatus::Stopping => {
                    self.lost(&SandboxId(name)).await;
                }
                None => {}
            }
        }
        for name in there.keys() {
            self.sweep(name).await;
        }
        Ok(())
    }

    /// Writes down the exits that were missed.
    async fn catch_up(&self, row: &TaskRow, status: &SandboxStatus) {
        for (name, container) in &status.containers {
            let ContainerState::Exited(exit) = &container.state else { continue };
            let clock = &self.doors.clock;
            let at = container.ended_at.map_or_else(|| clock.now(), |at| clock.of_machine(at));
            let known = row.container(name);
            if known.is_some_and(|known| known.last_status != TaskStatus::Stopped) {
                let (key, attempt) = (row.key.clone(), container.attempt);
                self.write_end(&key, (name, attempt), (*exit, at)).await;
            }
        }
    }

    async fn exited(&self, id: &SandboxId, run: (&str, u32), end: (Exit, Timestamp)) {
        let Some(key) = find(&self.doors.ledger.snapshot(), id) else { return };
        self.write_end(&key, run, end).await;
    }

    /// The sandbox has gone with all that ran in it.
    async fn lost(&self, id: &SandboxId) {
        let Some(key) = find(&self.doors.ledger.snapshot(), id) else { return };
        self.runs.remember_loss(&key);
        self.note_loss(&key).await;
    }

    /// Writes down that a task's sandbox has gone, if that was told. A loss may be told before the
    /// row knows of the sandbox; then it waits for that.
    pub(crate) async fn note_loss(&self, key: &TaskKey) {
        if !self.runs.is_lost(key) {
            return;
        }
        self.write(key, |row, now, _| {
            if !row.is_made || row.last_status >= TaskStatus::Stopping {
                return false;
            }
            for container in &mut row.containers {
                if container.last_status != TaskStatus::Stopped {
                    container.last_status = TaskStatus::Stopped;
                    container.finished_at = Some(now);
                    container.reason = Some("HostFailure: the container's host failed".to_owned());
                }
            }
            let reason = "Task stopped because its host failed.";
            row.ask_to_stop(TaskStopCode::TerminationNotice, reason);
            true
        })
        .await;
    }

    /// Removes a sandbox that no task owns.
    async fn sweep(&self, name: &str) {
        let id = SandboxId(name.to_owned());
        if find(&self.doors.ledger.snapshot(), &id).is_some() {
            return;
        }
        if let Err(error) = self.doors.substrate.remove(&id, Duration::ZERO).await {
            tracing::warn!(%error, %id, "could not remove a sandbox that nobody owns");
        }
    }

    /// An exit may be told before the start that it belongs to is written down; then it waits
    /// for that. Both are done inside transactions, which come one after another.
    fn end(
        &self,
        row: &mut TaskRow,
        (name, attempt): (&str, u32),
        (exit, at): (Exit, Timestamp),
    ) -> bool {
        let key = row.key.clone();
        let Some(container) = row.container_mut(name) else { return false };
        if container.started_at.is_none() || attempt > container.attempt {
            self.runs.remember_end((&key, name, attempt), (exit, at));
            return false;
        }
        let before = container.clone();
        exits::record(container, attempt, exit, at);
        *container != before
    }

    /// Writes an exit down, with what it means for the task.
    async fn write_end(&self, key: &TaskKey, run: (&str, u32), end: (Exit, Timestamp)) {
        self.write(key, |row, now, definition| {
            let is_news = self.end(row, run, end);
            if let Some(definition) = definition.filter(|_| is_news) {
                let containers = definition.definition.container_definitions.as_deref();
                let to_machine = machine_of(&self.doors.clock);
                conclude(row, containers.unwrap_or_default(), Now::new(now, &to_machine));
            }
            is_news
        })
        .await;
    }

    /// Changes a row in one commit, where `change` says that it did.
    async fn write(
        &self,
        key: &TaskKey,
        change: impl Fn(&mut TaskRow, Timestamp, Option<&DefinitionRow>) -> bool,
    ) {
        let now = self.doors.clock.now();
        let committed = self.doors.ledger.transact(|tx| {
            if let Some(row) = tx.get::<TaskRow>(key) {
                let mut row = TaskRow::clone(&row);
                let definition = tx.get::<DefinitionRow>(&row.definition);
                if change(&mut row, now, definition.as_deref()) {
                    row.version += 1;
                    announce::task(&self.doors.outbox, tx, &row, now);
                    tx.put(row);
                }
            }
            Ok::<_, ActError>(())
        });
        match committed {
            Ok(committed) => {
                if let Err(error) = committed.durable().await {
                    tracing::error!(%error, "what happened to a task was not kept");
                }
            }
            Err(error) => tracing::error!(?error, "what happened to a task was not written"),
        }
    }
}

/// Whether a sandbox is one of this room's.
fn is_ours(one: &&SandboxStatus) -> bool {
    one.labels.get(spec::LABEL.0).is_some_and(|room| room == spec::LABEL.1)
}

/// The living task of a sandbox.
fn find(snapshot: &Snapshot, id: &SandboxId) -> Option<TaskKey> {
    snapshot.by_index::<TaskRow>("alive", &id.0).next().map(|row| row.key.clone())
}
