//! The room: what its handlers share.

use std::collections::BTreeSet;
use std::sync::Arc;

use haar_blobs::{BlobError, Digest};
use haar_ecr_contract::peek::EcrPeek;
use haar_kernel::{Doors, HoldsBlobs, Identities, Lanes, unwritten};
use haar_ledger::{Snapshot, Tables, Tx};
use haar_registry::Registries;
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::announce::Telling;
use crate::controllers::{Copies, Layers, Lifecycles};
use crate::downloads::LayerDownloads;
use crate::metering::Storage;
use crate::pulls::Pulls;
use crate::registry::RegistrySite;
use crate::state::{ImageRow, LayerRow, UploadRow};
use crate::upstream::Upstreams;

/// Amazon ECR's room.
pub struct Ecr {
    pub(crate) doors: Doors,
    pub(crate) identities: Arc<dyn Identities>,
    pub(crate) downloads: LayerDownloads,
    pub(crate) pulls: Pulls,
    pub(crate) upstreams: Upstreams,
    pub(crate) storage: Storage,
}

impl Ecr {
    /// The room's tables, to be known to the ledger before it opens.
    pub fn tables(tables: Tables) -> Tables {
        crate::state::tables(tables)
    }

    /// Opens the room and offers its [`EcrPeek`] to the others. `registries` are asked for what
    /// pull-through caches miss.
    pub fn open(
        doors: &Doors,
        identities: Arc<dyn Identities>,
        registries: Arc<Registries>,
    ) -> Arc<Self> {
        let room = Arc::new(Self {
            downloads: LayerDownloads::new(doors),
            pulls: Pulls::new(doors),
            upstreams: Upstreams::new(registries),
            storage: Storage::new(doors),
            identities,
            doors: doors.clone(),
        });
        doors.peeks.offer::<dyn EcrPeek>(Arc::clone(&room) as Arc<dyn EcrPeek>);
        room
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        crate::lanes::lanes(lanes);
    }

    /// The registry that clients push to and pull from.
    pub fn registry(self: &Arc<Self>) -> RegistrySite {
        RegistrySite::new(Arc::clone(self))
    }

    /// Where the URLs of `GetDownloadUrlForLayer` lead.
    pub fn downloads(&self) -> LayerDownloads {
        self.downloads.clone()
    }

    /// The controller that lets images expire.
    pub fn lifecycles(self: &Arc<Self>) -> Arc<Lifecycles> {
        Arc::new(Lifecycles(Arc::clone(self)))
    }

    /// The controller that copies images to other registries.
    pub fn copies(self: &Arc<Self>) -> Arc<Copies> {
        Arc::new(Copies(Arc::clone(self)))
    }

    /// The controller that forgets layers and uploads that nobody needs.
    pub fn layers(self: &Arc<Self>) -> Arc<Layers> {
        Arc::new(Layers(self.doors.blobs.clone()))
    }

    /// Meters what is stored, as time goes by; never ends. The wiring spawns it.
    pub fn run(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let room = Arc::clone(self);
        async move { room.storage.run().await }
    }

    /// Meters what was stored since the last time; to be called before haar ends.
    pub fn flush(&self) {
        self.storage.meter();
    }

    /// Removes the pieces of uploads that no row knows. Call at start only. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sweep_uploads(&self) -> Result<(), BlobError> {
        let snapshot = self.doors.ledger.snapshot();
        let known: BTreeSet<String> =
            snapshot.all::<UploadRow>().map(|row| row.key.0.clone()).collect();
        let all = self.doors.blobs.uploads()?;
        let orphans = all.iter().filter(|name| !known.contains(*name));
        orphans.into_iter().try_for_each(|name| self.doors.blobs.abort_upload(name))
    }

    /// Tells what happens now to the event bus.
    pub(crate) fn telling(&self, now: Timestamp) -> Telling<'_> {
        Telling { outbox: &self.doors.outbox, now }
    }

    /// Runs one transaction at the end of a flow, and waits for the disk.
    pub(crate) async fn commit<T>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let committed = self.doors.ledger.transact(work)?;
        committed.durable().await.map_err(unwritten)
    }
}

impl HoldsBlobs for Ecr {
    fn held_blobs(&self, snapshot: &Snapshot, held: &mut BTreeSet<Digest>) {
        held.extend(snapshot.all::<ImageRow>().map(|row| row.key.digest));
        held.extend(snapshot.all::<LayerRow>().map(|row| row.key.digest));
    }
}
