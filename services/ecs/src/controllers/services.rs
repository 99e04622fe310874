//! Services kept at their desired count, and their deployments rolled out and back.
//!
//! *Developer Guide > Rolling update deployments*. Nothing here reaches outside the ledger: a
//! task is started by writing its row, stopped by asking its row to.

mod apply;
mod fleet;
mod plan;
mod rollback;

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ecs_contract::model::TaskStopCode;
use haar_ledger::{ChangeSet, Snapshot, Tx};
use haar_types::Timestamp;

use crate::Ecs;
use crate::announce;
use crate::rules::passing::{Now, machine_of};
use crate::state::{DeploymentRow, ServiceKey, ServiceRow, TaskKey, TaskRow};

/// Keeps services.
pub struct Services {
    room: Arc<Ecs>,
}

/// One deed for a service; each is one commit, and does nothing where the rows have moved on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceStep {
    /// Draw conclusions from tasks that ended: these failed, those only ended.
    Judge(Vec<TaskKey>, Vec<TaskKey>),
    /// A task has stayed up: what failed before is forgiven.
    Forgive,
    /// Ask tasks to stop.
    Stop(Vec<TaskKey>, TaskStopCode, String),
    /// Order so many tasks of the primary rollout.
    Start(u32),
    /// The primary rollout has failed, for this reason: roll back where that is wanted.
    Fail(String),
    /// The primary rollout is complete.
    Finish,
    /// Rollouts that are over and have no tasks are removed.
    Prune,
    /// Tell that the service is steady.
    TellSteady,
    /// A deleted service has no tasks any more.
    Retire,
}

impl Services {
    /// The controller of a room's services.
    pub fn new(room: Arc<Ecs>) -> Self {
        Self { room }
    }
}

impl Controller for Services {
    type Key = ServiceKey;
    type Step = (ServiceKey, ServiceStep);
    const NAME: &'static str = "ecs.services";

    fn keys(&self, changes: &ChangeSet) -> Vec<ServiceKey> {
        let mut keys = changes.keys::<ServiceRow>();
        let tasks = changes.rows::<TaskRow>().filter_map(|(old, new)| new.or(old));
        keys.extend(tasks.filter_map(|task| task.service.clone()));
        keys.extend(changes.keys::<DeploymentRow>().into_iter().map(|key| key.service));
        keys
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<ServiceKey> {
        snapshot.all::<ServiceRow>().map(|row| row.key.clone()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &ServiceKey, now: Timestamp) -> Plan<Self::Step> {
        let to_machine = machine_of(&self.room.doors.clock);
        let plan = plan::plan(snapshot, key, Now::new(now, &to_machine));
        let steps = plan.steps.into_iter().map(|step| (key.clone(), step)).collect();
        Plan { steps, wake_at: plan.wake_at }
    }

    async fn act(&self, (key, step): Self::Step, cx: &ActCx) -> Result<(), ActError> {
        let (ids, now, to_machine) = (cx.ids.ids(), cx.clock.now(), machine_of(&cx.clock));
        let committed = cx.ledger.transact(|tx: &mut Tx| {
            let Some(row) = tx.get::<ServiceRow>(&key) else { return Ok(()) };
            let mut row = ServiceRow::clone(&row);
            let outbox = &self.room.doors.outbox;
            let now = Now::new(now, &to_machine);
            let mut deed = apply::Deed { tx, row: &mut row, ids: &ids, outbox, now };
            deed.apply(step);
            announce::service(outbox, tx, &row, now.at);
            tx.put(row);
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}
