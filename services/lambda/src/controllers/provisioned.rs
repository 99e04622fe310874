//! Provisioned concurrency: environments made ahead, and their number kept in the rows.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Lambda;
use crate::fleet::ProvisionedState;
use crate::state::{ProvisionedRow, ProvisionedStatus, QualifiedKey, VersionKey, VersionRow};

/// Has the fleet make and keep what is asked for.
pub struct Provisioned {
    room: Arc<Lambda>,
}

/// One deed for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvisionedStep {
    /// Have so many environments, then record how many there are.
    Fill(VersionKey, u32),
    /// Let them go: nobody asks for them any more.
    Release(VersionKey),
}

impl Provisioned {
    /// The controller of a room's provisioned concurrency.
    pub fn new(room: Arc<Lambda>) -> Self {
        Self { room }
    }

    async fn provision(&self, key: &VersionKey, count: u32, cx: &ActCx) -> ProvisionedState {
        match cx.ledger.snapshot().get::<VersionRow>(key) {
            Some(row) => self.room.fleet.provision(Arc::new(self.room.target(&row)), count).await,
            None => ProvisionedState::default(), // its environments went with it
        }
    }

    async fn fill(&self, key: &VersionKey, count: u32, cx: &ActCx) -> Result<(), ActError> {
        let made = self.provision(key, count, cx).await;
        let there = made.available.min(count);
        let status = match made.failure {
            None => ProvisionedStatus::Ready,
            Some(reason) => ProvisionedStatus::Failed(reason),
        };
        let committed = cx.ledger.transact(|tx| {
            let asked = find(tx, key).filter(|asked| asked.requested == count);
            if let Some(asked) = asked {
                let reached = ProvisionedRow {
                    allocated: there,
                    available: there,
                    status,
                    ..ProvisionedRow::clone(&asked)
                };
                if reached != *asked {
                    tx.put(reached);
                }
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}

/// What is asked for a version; operations see to it that it is asked once.
fn find(snapshot: &Snapshot, key: &VersionKey) -> Option<Arc<ProvisionedRow>> {
    snapshot
        .range::<ProvisionedRow>(QualifiedKey::all(&key.function))
        .find(|row| row.version == key.version)
}

fn version_of(row: &ProvisionedRow) -> VersionKey {
    VersionKey { function: row.key.function.clone(), version: row.version }
}

impl Controller for Provisioned {
    type Key = VersionKey;
    type Step = ProvisionedStep;
    const NAME: &'static str = "lambda.provisioned";

    fn keys(&self, changes: &ChangeSet) -> Vec<VersionKey> {
        changes
            .rows::<ProvisionedRow>()
            .flat_map(|(old, new)| old.into_iter().chain(new))
            .map(|row| version_of(&row))
            .collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<VersionKey> {
        snapshot.all::<ProvisionedRow>().map(|row| version_of(&row)).collect()
    }

    /// What is ready is asked for again: after a restart the environments are gone.
    fn plan(
        &self,
        snapshot: &Snapshot,
        key: &VersionKey,
        _now: Timestamp,
    ) -> Plan<ProvisionedStep> {
        Plan::step(match find(snapshot, key) {
            Some(row) => ProvisionedStep::Fill(key.clone(), row.requested),
            None => ProvisionedStep::Release(key.clone()),
        })
    }

    async fn act(&self, step: ProvisionedStep, cx: &ActCx) -> Result<(), ActError> {
        match step {
            ProvisionedStep::Fill(key, count) => self.fill(&key, count, cx).await,
            ProvisionedStep::Release(key) => {
                self.provision(&key, 0, cx).await;
                Ok(())
            }
        }
    }
}
