//! The room behind a kernel, in memory and on simulated time, with its controllers at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{
    DoorParts, Doors, Kernel, KernelBuilder, Meter, NoIdentities, Principal, Settings, UsageRecord,
};
use haar_kinesis::Kinesis;
use haar_kinesis::controllers::{Charges, Streams, Sweeper};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

/// What was billed.
#[derive(Default)]
pub struct Bill(pub Mutex<Vec<UsageRecord>>);

impl Meter for Bill {
    fn record(&self, usage: UsageRecord) {
        self.0.lock().push(usage);
    }
}

impl Bill {
    /// How much of a kind was billed.
    pub fn total(&self, kind: &str) -> u64 {
        let all = self.0.lock();
        let quantities = all.iter().flat_map(|usage| usage.quantities.iter());
        quantities.filter(|(name, _)| *name == kind).map(|(_, quantity)| quantity).sum()
    }
}

pub struct House {
    pub doors: Doors,
    pub bill: Arc<Bill>,
    _kernel: Arc<Kernel>,
    pub room: Arc<Kinesis>,
    _driver: DriverHandle,
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

pub fn refused(name: &str, message: &str) -> Result<Value, Refused> {
    Err((name.to_owned(), message.to_owned()))
}

impl House {
    pub fn new() -> Self {
        let ledger = Ledger::ephemeral(haar_kernel::tables().and(&haar_kinesis::tables()));
        Self::over(Clock::simulated(BEGIN), ledger, Kv::ephemeral())
    }

    /// The same state, as another process finds it.
    pub fn again(&self) -> Self {
        let Doors { clock, ledger, kv, .. } = self.doors.clone();
        Self::over(clock, ledger, kv)
    }

    fn over(clock: Clock, ledger: Ledger, kv: Kv) -> Self {
        let ids = IdSource::seeded(7);
        let bill = Arc::new(Bill::default());
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger,
            kv,
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::clone(&bill) as _,
            settings: Settings::default(),
        });
        let room = Kinesis::open(&doors).unwrap();
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&room), haar_kinesis::lanes)
            .build();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx)
            .add(Arc::new(Streams::new(Arc::clone(&room))))
            .add(Arc::new(Sweeper::new(Arc::clone(&room))))
            .add(Arc::new(Charges::new(Arc::clone(&room))))
            .run();
        Self { doors, bill, _kernel: kernel, room, _driver: driver }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        match self.raw::<O>(input).await {
            Ok(output) => Ok(serde_json::to_value(&output).unwrap()),
            Err(error) => Err((error.name().to_owned(), error.message().to_owned())),
        }
    }

    /// The same where nothing may fail.
    pub async fn ok<O: Operation>(&self, input: Value) -> Value
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call::<O>(input).await.unwrap()
    }

    /// Calls an operation with its input as it is.
    pub async fn raw<O: Operation>(&self, input: O::Input) -> haar_kernel::Answer<O> {
        let principal = Arc::new(Principal::root(AccountId::default()));
        self.doors.call::<O>(principal, &Region::default(), input).await
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }
}
