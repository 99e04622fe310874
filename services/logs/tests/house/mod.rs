//! The room behind a kernel, in memory and on simulated time, with its sweeper at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{
    DoorParts, Doors, Kernel, KernelBuilder, NoIdentities, NoMeter, Principal, Settings,
};
use haar_kv::Kv;
use haar_ledger::{Ledger, Tables};
use haar_logs::Logs;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

/// What a house stands on.
pub struct Ground {
    pub clock: Clock,
    pub ids: IdSource,
    pub ledger: Ledger,
    pub kv: Kv,
}

pub struct House {
    pub doors: Doors,
    pub room: Arc<Logs>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

impl House {
    pub fn new() -> Self {
        Self::on(Ground {
            clock: Clock::simulated(BEGIN),
            ids: IdSource::seeded(7),
            ledger: Ledger::ephemeral(Logs::tables(Tables::new())),
            kv: Kv::ephemeral(),
        })
    }

    /// The same on what is there already. Must be called inside a tokio runtime.
    pub fn on(Ground { clock, ids, ledger, kv }: Ground) -> Self {
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger,
            kv,
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::new(NoMeter),
            settings: Settings::default(),
        });
        let room = Logs::open(&doors).unwrap();
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&room), Logs::lanes)
            .build();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx).add(room.sweeper()).run();
        Self { doors, room, _kernel: kernel, _driver: driver }
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

    /// Milliseconds since the epoch, now.
    pub fn now(&self) -> i64 {
        self.doors.clock.now().0
    }
}
