//! The room behind a kernel, in memory and on simulated time, with its controller at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_events_contract::events::ServiceEvent;
use haar_kernel::{
    DataKey, Delivery, DoorParts, Doors, Kernel, KernelBuilder, Listener, NoIdentities, NoMeter,
    NotHeard, Principal, Settings, Told,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_ssm::Ssm;
use haar_ssm::controllers::Expiry;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub struct House {
    pub doors: Doors,
    pub bus: Arc<Bus>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// The default event bus: keeps what it is told.
#[derive(Default)]
pub struct Bus(pub Mutex<Vec<ServiceEvent>>);

impl Listener<ServiceEvent> for Bus {
    fn hear(&self, told: Told<ServiceEvent>) -> BoxFuture<'_, Result<(), NotHeard>> {
        self.0.lock().push(told.event);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

pub fn refused(name: &str, message: &str) -> Result<Value, Refused> {
    Err((name.to_owned(), message.to_owned()))
}

impl House {
    pub fn new() -> Self {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(haar_kernel::tables().and(&haar_ssm::tables())),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::new(NoMeter),
            settings: Settings::default(),
        });
        let bus = Arc::<Bus>::default();
        doors.outbox.listen("test.bus", Arc::clone(&bus) as Arc<dyn Listener<ServiceEvent>>);
        let room = Arc::new(Ssm::new(&doors, DataKey::new(&[7; DataKey::LEN])));
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(room, haar_ssm::lanes)
            .build();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx)
            .add(Arc::new(Expiry::new(doors.outbox.clone())))
            .add(Arc::new(Delivery::new(doors.outbox.clone())))
            .run();
        Self { doors, bus, _kernel: kernel, _driver: driver }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        let principal = Arc::new(Principal::root(AccountId::default()));
        match self.doors.call::<O>(principal, &Region::default(), input).await {
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

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }
}

/// Texts of a list's members.
pub fn texts<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}
