//! Functions on their way to be ready: `Pending` to `Active`, `InProgress` to `Successful`.
//!
//! Code is unpacked before a row exists, so there is nothing to wait for.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Lambda;
use crate::state::{FunctionState, UpdateStatus, VersionKey, VersionRow};

/// Settles versions, and ends the environments of those that are gone.
pub struct Functions {
    room: Arc<Lambda>,
}

/// One deed for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionStep {
    /// Say that the version is ready, and have an interpreter waiting for it.
    Settle(VersionKey),
    /// End its environments: there is no such version any more.
    Retire(VersionKey),
}

impl Functions {
    /// The controller of a room's functions.
    pub fn new(room: Arc<Lambda>) -> Self {
        Self { room }
    }

    async fn settle(&self, key: &VersionKey, cx: &ActCx) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<VersionRow>(key) else { return Ok(()) };
        let revision_id = cx.ids.uuid();
        let committed = cx.ledger.transact(|tx| {
            let newest = tx.get::<VersionRow>(key);
            if newest.is_some_and(|newest| is_unsettled(&newest)) {
                tx.update::<VersionRow>(key, |row| {
                    row.state = FunctionState::Active;
                    row.last_update = Some(UpdateStatus::Successful);
                    row.revision_id = revision_id;
                });
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        if let Some(runtime) = &row.settings.runtime {
            self.room.fleet.warm_up(runtime, row.settings.memory).await;
        }
        Ok(())
    }
}

fn is_unsettled(row: &VersionRow) -> bool {
    row.state == FunctionState::Pending || row.last_update == Some(UpdateStatus::InProgress)
}

impl Controller for Functions {
    type Key = VersionKey;
    type Step = FunctionStep;
    const NAME: &'static str = "lambda.functions";

    fn keys(&self, changes: &ChangeSet) -> Vec<VersionKey> {
        changes
            .rows::<VersionRow>()
            .filter_map(|(old, new)| new.or(old))
            .map(|row| row.version_key())
            .collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<VersionKey> {
        snapshot.all::<VersionRow>().map(|row| row.version_key()).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &VersionKey, _now: Timestamp) -> Plan<FunctionStep> {
        match snapshot.get::<VersionRow>(key) {
            None => Plan::step(FunctionStep::Retire(key.clone())),
            Some(row) if is_unsettled(&row) => Plan::step(FunctionStep::Settle(key.clone())),
            Some(_) => Plan::default(),
        }
    }

    async fn act(&self, step: FunctionStep, cx: &ActCx) -> Result<(), ActError> {
        match step {
            FunctionStep::Settle(key) => self.settle(&key, cx).await,
            FunctionStep::Retire(key) => {
                let VersionKey { function, version } = key;
                let version = version.to_string();
                self.room.fleet.retire_key(&(
                    function.account,
                    function.region,
                    function.name,
                    version,
                ));
                Ok(())
            }
        }
    }
}
