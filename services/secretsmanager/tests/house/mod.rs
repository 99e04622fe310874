//! The room behind a kernel, in memory and on simulated time, with its controller at work.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

pub mod functions;

use std::sync::Arc;
use std::time::Duration;

use functions::Functions;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{
    Auth, DataKey, DoorParts, Doors, Kernel, KernelBuilder, NoIdentities, NoMeter, Principal,
    Settings,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_secretsmanager::SecretsManager;
use haar_secretsmanager::controllers::{Deletions, Replicas, Rotations};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub struct House {
    pub doors: Doors,
    /// The functions that rotate.
    pub functions: Arc<Functions>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

pub fn refused(name: &str, message: &str) -> Result<Value, Refused> {
    Err((name.to_owned(), message.to_owned()))
}

impl House {
    pub fn new() -> Self {
        Self::with(Auth::Permissive)
    }

    pub fn with(auth: Auth) -> Self {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(haar_kernel::tables().and(&haar_secretsmanager::tables())),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::new(NoMeter),
            settings: Settings { auth, ..Settings::default() },
        });
        let room = Arc::new(SecretsManager::new(&doors, DataKey::new(&[7; DataKey::LEN])));
        let functions = Arc::new(Functions::new(&doors));
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&room), haar_secretsmanager::lanes)
            .room(Arc::clone(&functions), functions::lanes)
            .build();
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let replicas = Arc::new(Replicas::new(Arc::clone(&room)));
        let rotations = Arc::new(Rotations::new(room));
        let driver = Driver::new(cx).add(Arc::new(Deletions)).add(replicas).add(rotations).run();
        Self { doors, functions, _kernel: kernel, _driver: driver }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call_as::<O>(&AccountId::default(), input).await
    }

    /// The same in another account.
    pub async fn call_as<O: Operation>(
        &self,
        account: &AccountId,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call_at::<O>((account, &Region::default()), input).await
    }

    /// The same in another account and region.
    pub async fn call_at<O: Operation>(
        &self,
        (account, region): (&AccountId, &Region),
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        let principal = Arc::new(Principal::root(account.clone()));
        match self.doors.call::<O>(principal, region, input).await {
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
