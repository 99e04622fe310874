//! Forgets layers that no image needs, and uploads that nobody goes on with.

use std::time::Duration;

use haar_blobs::Blobs;
use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::state::{LayerKey, LayerRow, UploadKey, UploadRow};

/// How long a layer stays that no image needs: whoever pushes or pulls it may take their time.
/// *Ours*.
const LAYER_GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long an upload may take. *Ours*.
const UPLOAD_MAX: Duration = Duration::from_secs(24 * 3600);

/// The controller `ecr.layers`.
pub struct Layers(pub(crate) Blobs);

/// What it looks after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SweepKey {
    /// A layer.
    Layer(LayerName),
    /// An upload, by its id.
    Upload(String),
}

/// Names a layer of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerName(pub(crate) LayerKey);

/// One deed.
#[derive(Debug, PartialEq, Eq)]
pub enum LayerStep {
    /// Forget a layer; its bytes go with the next sweep of the blobs.
    Forget(LayerName),
    /// Drop an upload with its bytes.
    Drop(String),
}

impl Controller for Layers {
    type Key = SweepKey;
    type Step = LayerStep;

    const NAME: &'static str = "ecr.layers";
    const CONCURRENCY: usize = 2;

    fn keys(&self, changes: &ChangeSet) -> Vec<SweepKey> {
        let layers = changes.keys::<LayerRow>().into_iter();
        let uploads = changes.keys::<UploadRow>().into_iter();
        layers
            .map(|key| SweepKey::Layer(LayerName(key)))
            .chain(uploads.map(|key| SweepKey::Upload(key.0)))
            .collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<SweepKey> {
        let layers = snapshot.all::<LayerRow>();
        let uploads = snapshot.all::<UploadRow>();
        layers
            .map(|row| SweepKey::Layer(LayerName(row.key.clone())))
            .chain(uploads.map(|row| SweepKey::Upload(row.key.0.clone())))
            .collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &SweepKey, now: Timestamp) -> Plan<LayerStep> {
        match key {
            SweepKey::Layer(name) => plan_layer(snapshot, name, now),
            SweepKey::Upload(id) => plan_upload(snapshot, id, now),
        }
    }

    async fn act(&self, step: LayerStep, cx: &ActCx) -> Result<(), ActError> {
        let now = cx.clock.now();
        let committed = match step {
            LayerStep::Forget(LayerName(key)) => cx.ledger.transact(|tx| {
                let row = tx.get::<LayerRow>(&key);
                let is_old = row.is_some_and(|row| now >= row.touched_at + LAYER_GRACE);
                if is_old && !key.is_needed(tx) {
                    tx.remove::<LayerRow>(&key);
                }
                Ok::<_, ActError>(())
            })?,
            LayerStep::Drop(id) => {
                self.0.abort_upload(&id).map_err(ActError::transient)?;
                cx.ledger.transact(|tx| {
                    tx.remove::<UploadRow>(&UploadKey(id));
                    Ok::<_, ActError>(())
                })?
            }
        };
        Ok(committed.durable().await?)
    }
}

/// A needed layer is looked at again when its row changes, as it does when an image goes.
fn plan_layer(snapshot: &Snapshot, name: &LayerName, now: Timestamp) -> Plan<LayerStep> {
    let Some(row) = snapshot.get::<LayerRow>(&name.0) else { return Plan::default() };
    if name.0.is_needed(snapshot) {
        return Plan::default();
    }
    let due_at = row.touched_at + LAYER_GRACE;
    match now >= due_at {
        true => Plan::step(LayerStep::Forget(name.clone())),
        false => Plan::default().wake_at(due_at),
    }
}

/// An upload whose row is gone has been finished, or its repository was deleted: its bytes are
/// of no use.
fn plan_upload(snapshot: &Snapshot, id: &str, now: Timestamp) -> Plan<LayerStep> {
    let row = snapshot.get::<UploadRow>(&UploadKey(id.to_owned()));
    let due_at = row.map_or(now, |row| row.started_at + UPLOAD_MAX);
    match now >= due_at {
        true => Plan::step(LayerStep::Drop(id.to_owned())),
        false => Plan::default().wake_at(due_at),
    }
}
