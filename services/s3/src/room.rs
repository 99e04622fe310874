//! The room: what its handlers share.

use std::collections::BTreeSet;
use std::sync::Arc;

use haar_blobs::Digest;
use haar_kernel::{Doors, HoldsBlobs};
use haar_kv::KvError;
use haar_ledger::Snapshot;

use crate::metering::Storage;
use crate::store::Store;
use crate::target::Buckets;

/// Amazon S3's room.
pub struct S3 {
    pub(crate) doors: Doors,
    pub(crate) store: Store,
    pub(crate) storage: Storage,
}

impl S3 {
    /// Opens the room and offers its buckets to the others.
    ///
    /// # Errors
    /// When kv does not open the objects.
    pub fn open(doors: &Doors) -> Result<Arc<Self>, KvError> {
        doors.targets.offer("s3", Arc::new(Buckets(doors.clone())));
        let store = Store::open(&doors.kv, &doors.ids)?;
        let storage = Storage::new(doors);
        Ok(Arc::new(Self { doors: doors.clone(), store, storage }))
    }

    /// Meters what is stored, as time goes by; never ends. The wiring spawns it.
    pub fn run(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let room = Arc::clone(self);
        async move { room.run_storage().await }
    }

    /// Meters what was stored since the last time; to be called before haar ends.
    pub fn flush(&self) {
        self.meter_storage();
    }
}

impl HoldsBlobs for S3 {
    fn held_blobs(&self, _snapshot: &Snapshot, held: &mut BTreeSet<Digest>) {
        if let Err(error) = self.store.held_blobs(held) {
            tracing::error!(%error, "could not tell which blobs objects need");
        }
    }
}
