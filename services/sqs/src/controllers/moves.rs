//! Moves dead letters, as tasks ask.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Row as _, Snapshot};
use haar_types::{AccountId, Region, Timestamp};

use crate::Sqs;
use crate::engine::Queue;
use crate::state::{MoveStatus, MoveTaskRow, QueueKey, QueueRow};

/// Messages that are moved at a time where the task names no rate.
const CHUNK: u32 = 500;

/// The controller `sqs.moves`.
pub struct Moves(Arc<Sqs>);

/// Names a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskKey((AccountId, Region, String));

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveStep {
    /// Move so many messages, then count them.
    Move(TaskKey, u32),
    /// Call the task cancelled.
    Cancel(TaskKey),
}

impl Moves {
    /// Over a room's queues.
    pub fn new(room: Arc<Sqs>) -> Self {
        Self(room)
    }

    /// Moves a few messages; `Ok(None)` when source or destination is gone.
    fn move_some(&self, task: &MoveTaskRow, count: u32) -> Result<Option<usize>, ActError> {
        let snapshot = self.0.doors.ledger.snapshot();
        let at_work = |key: &QueueKey| snapshot.get::<QueueRow>(key).map(|row| self.0.queue(&row));
        let Some(source) = at_work(&task.source) else { return Ok(None) };
        let destination = match &task.destination {
            Some(key) => match at_work(key) {
                Some(queue) => Some(queue),
                None => return Ok(None),
            },
            None => None,
        };
        let target = |source_arn: Option<&str>| -> Option<Arc<Queue>> {
            match &destination {
                Some(queue) => Some(Arc::clone(queue)),
                None => at_work(&QueueKey::of_arn(source_arn?)?),
            }
        };
        let moved = self.0.engine.move_out(&source, count as usize, target);
        moved.map(Some).map_err(ActError::transient)
    }
}

impl Controller for Moves {
    type Key = TaskKey;
    type Step = MoveStep;
    const NAME: &'static str = "sqs.moves";

    fn keys(&self, changes: &ChangeSet) -> Vec<TaskKey> {
        changes.keys::<MoveTaskRow>().into_iter().map(TaskKey).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<TaskKey> {
        let open = snapshot.all::<MoveTaskRow>().filter(|task| task.status.is_open());
        open.map(|task| TaskKey(task.key())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &TaskKey, now: Timestamp) -> Plan<MoveStep> {
        let Some(task) = snapshot.get::<MoveTaskRow>(&key.0) else { return Plan::default() };
        match task.status {
            MoveStatus::Cancelling => Plan::step(MoveStep::Cancel(key.clone())),
            MoveStatus::Running if now < task.next_at => Plan::default().wake_at(task.next_at),
            MoveStatus::Running => {
                Plan::step(MoveStep::Move(key.clone(), task.rate_max.unwrap_or(CHUNK)))
            }
            MoveStatus::Completed | MoveStatus::Cancelled | MoveStatus::Failed => Plan::default(),
        }
    }

    async fn act(&self, step: MoveStep, cx: &ActCx) -> Result<(), ActError> {
        let (key, count) = match step {
            MoveStep::Cancel(key) => {
                return set(cx, &key, |task| {
                    task.status = MoveStatus::Cancelled;
                })
                .await;
            }
            MoveStep::Move(key, count) => (key, count),
        };
        let Some(task) = cx.ledger.snapshot().get::<MoveTaskRow>(&key.0) else { return Ok(()) };
        let moved = self.move_some(&task, count)?;
        self.0.engine.sync().await.map_err(ActError::transient)?;
        let now = cx.clock.now();
        set(cx, &key, |task| match moved {
            None => {
                task.status = MoveStatus::Failed;
                task.failure = Some("AWS.SimpleQueueService.NonExistentQueue".to_owned());
            }
            Some(moved) => {
                task.moved_count += moved as u64;
                let is_limited = task.rate_max.is_some();
                task.next_at = if is_limited { now + Duration::from_secs(1) } else { now };
                if moved < count as usize && task.status == MoveStatus::Running {
                    task.status = MoveStatus::Completed;
                }
            }
        })
        .await
    }
}

async fn set(cx: &ActCx, key: &TaskKey, change: impl Fn(&mut MoveTaskRow)) -> Result<(), ActError> {
    let committed = cx.ledger.transact(|tx| {
        tx.update::<MoveTaskRow>(&key.0, |task| change(task));
        Ok::<_, ActError>(())
    })?;
    committed.durable().await?;
    Ok(())
}
