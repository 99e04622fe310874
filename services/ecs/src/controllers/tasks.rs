//! Tasks on their way from `PROVISIONING` to `STOPPED`.
//!
//! *Developer Guide > Task lifecycle*. What the substrate tells in between (exits) is written
//! into the rows by the observer; here rows alone decide.

mod attach;
mod halt;
mod launch;
mod pin;
mod plan;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ecs_contract::model::TaskStopCode;
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::Timestamp;
use parking_lot::Mutex;

pub(crate) use plan::conclude;

use crate::Ecs;
use crate::announce;
use crate::rules::passing::{Now, machine_of};
use crate::state::{DefinitionRow, LogPositionRow, MeterRow, TaskKey, TaskRow, TaskStatus};

/// Runs tasks.
pub struct Tasks {
    room: Arc<Ecs>,
    /// How often a task's images were asked for in vain. In memory: a write would wake the key
    /// before its time.
    pulls: Mutex<BTreeMap<TaskKey, u32>>,
}

/// One idempotent deed for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStep {
    /// Take a network interface, pull its images and make its sandbox, then start what waits for
    /// nothing.
    Launch(TaskKey),
    /// Start containers: those that waited, and those to be restarted.
    Start(TaskKey, Vec<String>),
    /// Move the row on; nothing outside the ledger.
    Record(TaskKey, TaskStatus),
    /// Record a failure, which asks for a stop.
    GiveUp(TaskKey, TaskStopCode, String),
    /// Stop its containers and remove its sandbox, then record `STOPPED`.
    Halt(TaskKey),
    /// Give its interface back, then record `STOPPED`.
    Release(TaskKey),
    /// Remove the row.
    Forget(TaskKey),
}

impl Tasks {
    /// The controller of a room's tasks.
    pub fn new(room: Arc<Ecs>) -> Self {
        Self { room, pulls: Mutex::default() }
    }

    /// Changes a row that is there, in one commit. `None`: it is gone.
    async fn change(
        &self,
        cx: &ActCx,
        key: &TaskKey,
        change: impl FnOnce(&mut TaskRow, Timestamp) + Send,
    ) -> Result<Option<Arc<TaskRow>>, ActError> {
        let now = cx.clock.now();
        let committed = cx.ledger.transact(|tx| {
            if let Some(row) = tx.get::<TaskRow>(key) {
                let mut changed = TaskRow::clone(&row);
                change(&mut changed, now);
                // A write wakes the key: one without a change would defeat the back-off.
                if changed != *row {
                    changed.version += 1;
                    announce::task(&self.room.doors.outbox, tx, &changed, now);
                    tx.put(changed);
                }
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(cx.ledger.snapshot().get::<TaskRow>(key))
    }

    async fn give_up(
        &self,
        cx: &ActCx,
        key: &TaskKey,
        code: TaskStopCode,
        reason: &str,
    ) -> Result<(), ActError> {
        self.change(cx, key, |row, _| row.ask_to_stop(code, reason)).await.map(drop)
    }

    async fn record(&self, cx: &ActCx, key: &TaskKey, to: TaskStatus) -> Result<(), ActError> {
        let changed = self.change(cx, key, |row, now| {
            if row.last_status >= to {
                return;
            }
            row.last_status = to;
            match to {
                TaskStatus::Running => row.times.started_at = Some(now),
                TaskStatus::Stopping => row.times.stopping_at = Some(now),
                _ => {}
            }
        });
        changed.await.map(drop)
    }
}

impl Controller for Tasks {
    type Key = TaskKey;
    type Step = TaskStep;
    const NAME: &'static str = "ecs.tasks";
    const CONCURRENCY: usize = 64;

    fn keys(&self, changes: &ChangeSet) -> Vec<TaskKey> {
        changes.keys::<TaskRow>()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<TaskKey> {
        snapshot.all::<TaskRow>().map(|row| row.key.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &TaskKey, now: Timestamp) -> Plan<TaskStep> {
        let Some(task) = snapshot.get::<TaskRow>(key) else { return Plan::default() };
        let definition = snapshot.get::<DefinitionRow>(&task.definition);
        let containers =
            definition.as_ref().and_then(|row| row.definition.container_definitions.as_deref());
        let to_machine = machine_of(&self.room.doors.clock);
        plan::plan(&task, containers.unwrap_or_default(), Now::new(now, &to_machine))
    }

    async fn act(&self, step: TaskStep, cx: &ActCx) -> Result<(), ActError> {
        match step {
            TaskStep::Launch(key) => self.launch(cx, &key).await,
            TaskStep::Start(key, names) => self.start(cx, &key, &names).await,
            TaskStep::Record(key, status) => self.record(cx, &key, status).await,
            TaskStep::GiveUp(key, code, reason) => self.give_up(cx, &key, code, &reason).await,
            TaskStep::Halt(key) => self.halt(cx, &key).await,
            TaskStep::Release(key) => self.release(cx, &key).await,
            TaskStep::Forget(key) => {
                let committed = cx.ledger.write(|tx| forget(tx, &key));
                committed.durable().await?;
                Ok(())
            }
        }
    }
}

/// Removes a task with all that belongs to it.
fn forget(tx: &mut Tx, key: &TaskKey) {
    let Some(row) = tx.remove::<TaskRow>(key) else { return };
    tx.remove::<MeterRow>(key);
    for container in &row.containers {
        tx.remove::<LogPositionRow>(&(key.clone(), container.name.clone()));
    }
}
