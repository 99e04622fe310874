//! Settles what operations ask for: pipes are created, updated, started, stopped, deleted.
//!
//! A pipe whose update fails is as it was before, and goes on. *Ours*: what AWS takes a minute for is
//! done at once.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_pipes_contract::model::{PipeState, RequestedPipeStateDescribeResponse as Desired};
use haar_types::Timestamp;

use crate::Pipes;
use crate::state::{PipeKey, PipeRow};

/// Characters of a reason at most.
const REASON_MAX: usize = 512;

/// The controller `pipes.pipes`.
pub struct PipesController(pub(crate) Arc<Pipes>);

/// Settles one pipe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipesStep(pub(crate) PipeKey);

impl Controller for PipesController {
    type Key = PipesStep;
    type Step = PipesStep;
    const NAME: &'static str = "pipes.pipes";

    fn keys(&self, changes: &ChangeSet) -> Vec<PipesStep> {
        changes.keys::<PipeRow>().into_iter().map(PipesStep).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<PipesStep> {
        snapshot.all::<PipeRow>().map(|row| PipesStep(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &PipesStep, _now: Timestamp) -> Plan<PipesStep> {
        match snapshot.get::<PipeRow>(&key.0) {
            Some(row) if row.is_in_transition() => Plan::step(key.clone()),
            _ => Plan::default(),
        }
    }

    async fn act(&self, step: PipesStep, cx: &ActCx) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<PipeRow>(&step.0) else { return Ok(()) };
        if !row.is_in_transition() {
            return Ok(());
        }
        self.0.pollers.end(&step.0).await;
        if row.current == PipeState::Deleting {
            return self.remove(cx, &row).await;
        }
        let probed = match will_run(&row) {
            true => self.0.probe(&row).await,
            false => Ok(()),
        };
        let (state, reason) = settled(&row, probed);
        let committed = cx.ledger.write(|tx| {
            tx.update::<PipeRow>(&step.0, |now| {
                // nothing but tags is changed in a row that is in transition
                if now.current == row.current && now.id == row.id {
                    match (state, now.before.take()) {
                        (PipeState::UpdateFailed, Some(before)) => {
                            *now = PipeRow::rolled_back(now, &before, reason);
                        }
                        _ => (now.current, now.reason) = (state, reason),
                    }
                }
            });
        });
        committed.durable().await?;
        Ok(())
    }
}

impl PipesController {
    /// A crash between the two leaves checkpoints that the next start removes.
    async fn remove(&self, cx: &ActCx, row: &PipeRow) -> Result<(), ActError> {
        cx.ledger.write(|tx| drop(tx.remove::<PipeRow>(&row.key))).durable().await?;
        let marks = self.0.checkpoints().map_err(ActError::transient)?;
        marks.forget(&row.id).map_err(ActError::transient)
    }
}

/// True where the source is read from now on, so that it must be there. A pipe is made only with
/// a source that can be read.
fn will_run(row: &PipeRow) -> bool {
    row.desired == Desired::Running || row.current == PipeState::Creating
}

/// The state after a transition, and why it is one of failure.
fn settled(row: &PipeRow, probed: Result<(), String>) -> (PipeState, Option<String>) {
    match probed {
        Ok(()) if row.desired == Desired::Running => (PipeState::Running, None),
        Ok(()) => (PipeState::Stopped, None),
        Err(reason) => {
            let state = match row.current {
                PipeState::Creating => PipeState::CreateFailed,
                PipeState::Starting => PipeState::StartFailed,
                PipeState::Stopping => PipeState::StopFailed,
                _ => PipeState::UpdateFailed,
            };
            (state, Some(reason.chars().take(REASON_MAX).collect()))
        }
    }
}
