//! The room: what its handlers share.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use haar_blobs::Digest;
use haar_courier::{Courier, CourierError, CourierSettings, Porter};
use haar_kernel::{Doors, HoldsBlobs};
use haar_kv::KvError;
use haar_ledger::Snapshot;

use crate::controllers::Lifecycles;
use crate::metering::Storage;
use crate::notices::Notice;
use crate::reminder::Reminder;
use crate::replication::Copying;
use crate::sites::Sites;
use crate::store::Store;
use crate::target::Buckets;

/// Amazon S3's room.
pub struct S3 {
    pub(crate) doors: Doors,
    pub(crate) store: Store,
    pub(crate) storage: Storage,
    /// Set once the room has started.
    pub(crate) courier: OnceLock<Courier>,
    /// What becomes due of restored copies. Set once the room has started.
    pub(crate) reminders: OnceLock<Courier>,
    /// Copies on their way into other buckets. Set once the room has started.
    pub(crate) copies: OnceLock<Courier>,
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
        let (courier, reminders, copies) = Default::default();
        Ok(Arc::new(Self { doors: doors.clone(), store, storage, courier, reminders, copies }))
    }

    /// The controller that does what lifecycle rules ask for.
    pub fn lifecycles(self: &Arc<Self>) -> Arc<Lifecycles> {
        Arc::new(Lifecycles(Arc::clone(self)))
    }

    /// What browsers ask for: websites, leave to ask across origins, forms.
    pub fn sites(self: &Arc<Self>) -> Sites {
        Sites(Arc::clone(self))
    }

    /// Begins to carry what buckets tell their listeners, also what was left. Once all targets
    /// are offered.
    ///
    /// # Errors
    /// When the notices that were left cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), CourierError> {
        let porter = Porter::<Notice>::of(self);
        let (kv, clock) = (&self.doors.kv, self.doors.clock.clone());
        let settings = CourierSettings::default();
        let courier = Courier::open(kv, clock.clone(), "s3.notice", porter, settings)?;
        let _ = self.courier.set(courier); // a second start keeps the first courier
        let porter = Porter::<Reminder>::of(self);
        let reminders = Courier::open(kv, clock.clone(), "s3.restore", porter, settings)?;
        let _ = self.reminders.set(reminders);
        let porter = Porter::<Copying>::of(self);
        let _ = self.copies.set(Courier::open(kv, clock, "s3.copying", porter, settings)?);
        Ok(())
    }

    /// Forgets what waits in memory, for a reset.
    ///
    /// # Errors
    /// When the notices cannot be removed.
    pub fn reset(&self) -> Result<(), KvError> {
        [&self.courier, &self.reminders, &self.copies]
            .into_iter()
            .filter_map(OnceLock::get)
            .try_for_each(Courier::clear)
    }

    /// Meters what is stored, as time goes by, and removes what deleted buckets leave; never ends.
    /// The wiring spawns it.
    pub fn run(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let room = Arc::clone(self);
        async move {
            futures_util::join!(room.run_storage(), Arc::clone(&room).keep_clean());
        }
    }

    /// Meters what was stored since the last time; to be called before haar ends.
    pub fn flush(&self) {
        self.meter_storage();
    }
}

impl HoldsBlobs for S3 {
    /// # Panics
    /// When kv cannot be read: a sweep that went on would take customers' bytes away.
    fn held_blobs(&self, _snapshot: &Snapshot, held: &mut BTreeSet<Digest>) {
        let told = self.store.held_blobs(held);
        told.expect("nothing is swept unless it is known what objects need");
    }
}
