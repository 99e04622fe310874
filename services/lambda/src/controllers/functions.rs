//! Functions on their way to be ready: `Pending` to `Active`, `InProgress` to `Successful`.
//!
//! An archive is unpacked before a row exists, so there is nothing to wait for; an image is pulled
//! here, and held for as long as a version refers to it.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Lambda;
use crate::doors::ImageFailure;
use crate::images::reason;
use crate::invoke::pool_key;
use crate::state::{FunctionState, Reason, UpdateStatus, VersionKey, VersionRow};

/// Settles versions, and ends the environments of those that are gone.
pub struct Functions {
    room: Arc<Lambda>,
}

/// One deed for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionStep {
    /// Have its image here, say that the version is ready or why not, and have an interpreter
    /// waiting for it.
    Settle(VersionKey),
    /// End its environments: there is no such version any more.
    Retire(VersionKey),
}

impl Functions {
    /// The controller of a room's functions. From here on the store keeps their images.
    pub fn new(room: Arc<Lambda>) -> Self {
        room.hold_images(&room.doors.ledger.snapshot());
        Self { room }
    }

    /// Has a version's image here; answers why it cannot be.
    async fn prepare(&self, row: &VersionRow, cx: &ActCx) -> Result<Option<Reason>, ActError> {
        let Some(image) = &row.code.image else { return Ok(None) };
        self.room.hold_images(&cx.ledger.snapshot()); // before it comes, so that it stays
        match self.room.bring_image(row).await {
            Ok(()) => Ok(None),
            Err(ImageFailure::Unavailable(why)) => Err(ActError::transient(why)),
            Err(failure) => Ok(Some(reason(&image.uri, &failure))),
        }
    }

    async fn settle(&self, key: &VersionKey, cx: &ActCx) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<VersionRow>(key) else { return Ok(()) };
        let failure = self.prepare(&row, cx).await?;
        let revision_id = cx.ids.uuid();
        let committed = cx.ledger.transact(|tx| {
            let newest = tx.get::<VersionRow>(key);
            if newest.is_some_and(|newest| is_unsettled(&newest) && newest.code == row.code) {
                tx.update::<VersionRow>(key, |row| {
                    settle(row, failure);
                    row.revision_id = revision_id;
                });
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        if row.code.image.is_some() {
            self.room.hold_images(&cx.ledger.snapshot()); // what it replaced may go
        }
        if let Some(runtime) = &row.settings.runtime {
            self.room.fleet.warm_up(runtime, row.settings.memory).await;
        }
        Ok(())
    }
}

/// Moves a version on: it is ready, or it failed for a reason.
fn settle(row: &mut VersionRow, failure: Option<Reason>) {
    let before = row.replaced.take();
    row.last_update = Some(match &failure {
        None => UpdateStatus::Successful,
        Some(reason) => UpdateStatus::Failed(reason.clone()),
    });
    match (failure, before) {
        (None, _) => row.state = FunctionState::Active,
        (Some(_), Some(before)) => {
            row.code = before.code;
            row.settings.architecture = before.architecture;
            row.build_id = before.build_id;
        }
        (Some(reason), None) => row.state = FunctionState::Failed(reason),
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
                self.room.fleet.retire_key(&pool_key(&key));
                if self.room.holds_images() {
                    self.room.hold_images(&cx.ledger.snapshot());
                }
                Ok(())
            }
        }
    }
}
