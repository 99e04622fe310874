//! The room behind a kernel, in memory and on simulated time, with receivers that record what
//! reaches them.

#![allow(unreachable_pub, dead_code, clippy::new_without_default, clippy::unwrap_used)]

pub mod guard;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use guard::Guard;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_events::Events;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_kernel::{
    Auth, DataKey, Delivery, DoorParts, Doors, Identities, Kernel, KernelBuilder, NoIdentities,
    NoMeter, Principal, Settings,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

/// What reached one kind of receiver, and how it answers.
#[derive(Default)]
pub struct Receiver {
    pub got: Mutex<Vec<Consignment>>,
    pub answers: Mutex<Vec<Undelivered>>,
    /// What is sent to ARNs that hold this text never comes to an end.
    pub hanging: Mutex<Option<String>>,
}

impl Receiver {
    /// Bodies that arrived, as JSON, with the last parts of their ARNs.
    pub fn bodies(&self) -> Vec<(String, Value)> {
        let name = |one: &Consignment| one.arn.rsplit(':').next().unwrap().to_owned();
        let body = |one: &Consignment| serde_json::from_slice(&one.body).unwrap();
        self.got.lock().iter().map(|one| (name(one), body(one))).collect()
    }

    /// The next attempts fail so.
    pub fn fail(&self, code: &str, is_transient: bool, times: usize) {
        let failure = Undelivered { code: code.to_owned(), message: "no".to_owned(), is_transient };
        self.answers.lock().extend(std::iter::repeat_n(failure, times));
    }
}

impl Target for Receiver {
    fn deliver<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let hangs = |part: &String| consignment.arn.contains(part.as_str());
            if self.hanging.lock().as_ref().is_some_and(hangs) {
                std::future::pending::<()>().await;
            }
            if let Some(failure) = self.answers.lock().pop() {
                return Err(failure);
            }
            self.got.lock().push(consignment.clone());
            Ok(())
        })
    }
}

pub struct House {
    pub doors: Doors,
    pub room: Arc<Events>,
    pub functions: Arc<Receiver>,
    pub queues: Arc<Receiver>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
    schedules: tokio::task::JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.schedules.abort();
    }
}

/// What outlives a restart.
pub struct Ground {
    ledger: Ledger,
    kv: Kv,
}

impl House {
    pub fn new() -> Self {
        Self::on(Ground { ledger: Ledger::ephemeral(tables()), kv: Kv::ephemeral() }, BEGIN)
    }

    /// A house where policies decide.
    pub fn enforced(guard: Guard) -> Self {
        let ground = Ground { ledger: Ledger::ephemeral(tables()), kv: Kv::ephemeral() };
        let settings = Settings { auth: Auth::Enforce, ..Settings::default() };
        let house = Self::with(ground, BEGIN, settings, Arc::new(guard.clone()));
        house.doors.peeks.offer::<dyn IamPeek>(Arc::new(guard));
        house
    }

    /// A house on ground that is there already, from a time on.
    pub fn on(ground: Ground, now: Timestamp) -> Self {
        Self::with(ground, now, Settings::default(), Arc::new(NoIdentities))
    }

    fn with(
        ground: Ground,
        now: Timestamp,
        settings: Settings,
        identities: Arc<dyn Identities>,
    ) -> Self {
        let (clock, ids) = (Clock::simulated(now), IdSource::seeded(7));
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: ground.ledger,
            kv: ground.kv,
            blobs: Blobs::ephemeral(ids.clone()).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock.clone())),
            meter: Arc::new(NoMeter),
            settings,
        });
        let room = Events::open(&doors, DataKey::new(&[7; DataKey::LEN])).unwrap();
        let (functions, queues) = (Arc::<Receiver>::default(), Arc::<Receiver>::default());
        doors.targets.offer("lambda", Arc::clone(&functions) as _);
        doors.targets.offer("sqs", Arc::clone(&queues) as _);
        let kernel = KernelBuilder::new(doors.clone(), identities)
            .room(Arc::clone(&room), haar_events::lanes)
            .build();
        room.start().unwrap();
        let schedules = tokio::task::spawn_local(Arc::clone(&room).run());
        let cx = ActCx::new(doors.ledger.clone(), clock, ids);
        let driver = Driver::new(cx)
            .add(Arc::new(Delivery::new(doors.outbox.clone())))
            .add(room.archives())
            .add(room.replays())
            .run();
        Self { doors, room, functions, queues, _kernel: kernel, _driver: driver, schedules }
    }

    /// What stays when the process goes.
    pub fn ground(&self) -> Ground {
        Ground { ledger: self.doors.ledger.clone(), kv: self.doors.kv.clone() }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let principal = Arc::new(Principal::root(AccountId::default()));
        self.call_as::<O>(principal, &Region::default(), input).await
    }

    /// The same for somebody, somewhere.
    pub async fn call_as<O: Operation>(
        &self,
        principal: Arc<Principal>,
        region: &Region,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input: O::Input = serde_json::from_value(input).unwrap();
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

    /// A rule that sends what a source says to a function.
    pub async fn rule(&self, name: &str, rule: Value, target: Value) {
        let mut input = json!({"Name": name});
        input.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        let bus = input.get("EventBusName").cloned();
        self.ok::<haar_events_contract::PutRule>(input).await;
        let mut one = json!({"Id": "1", "Arn": function("f")});
        one.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        let input = json!({"Rule": name, "EventBusName": bus, "Targets": [one]});
        let answer = self.ok::<haar_events_contract::PutTargets>(input).await;
        assert_eq!(answer["FailedEntryCount"], 0);
    }

    /// Puts one event of the source `shop`.
    pub async fn put(&self, detail: Value) -> Value {
        let entry = json!({"Source": "shop", "DetailType": "order", "Detail": detail.to_string()});
        self.ok::<haar_events_contract::PutEvents>(json!({"Entries": [entry]})).await
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.doors.clock.sleep(time).await;
    }
}

pub fn tables() -> haar_ledger::Tables {
    haar_kernel::tables().and(&haar_events::tables())
}

pub fn function(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

pub fn queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// Runs a story on paused time, in one thread.
pub fn story(story: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story());
}
