//! The room behind a kernel, in memory and on simulated time, beside a room of queues.

#![allow(dead_code, unreachable_pub, clippy::new_without_default, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_kernel::{
    Answer, Auth, Call, DataKey, DoorParts, Doors, Flow, Identities, Kernel, KernelBuilder, Lanes,
    NoIdentities, NoMeter, Principal, Room, Settings,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_sns::Sns;
use haar_sqs_contract::{SendMessage, SendMessageRequest, SendMessageResult};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::{AwsError, Operation, ServiceSchema};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

/// Queues that keep what they get, and fail as they are told.
#[derive(Default)]
pub struct Queues {
    pub sent: Mutex<Vec<SendMessageRequest>>,
    /// What the next sends are answered instead.
    pub failures: Mutex<Vec<AwsError>>,
}

impl Room for Queues {
    fn service(&self) -> &'static ServiceSchema {
        &haar_sqs_contract::model::SERVICE
    }
}

impl Flow<SendMessage> for Queues {
    async fn flow(self: Arc<Self>, _call: Call, input: SendMessageRequest) -> Answer<SendMessage> {
        if let Some(error) = self.failures.lock().pop() {
            return Err(error);
        }
        self.sent.lock().push(input);
        Ok(SendMessageResult::default())
    }
}

/// What other rooms' targets got, and what the next deliveries are answered instead.
#[derive(Default)]
pub struct Others(pub Mutex<Vec<Consignment>>, pub Mutex<Vec<Undelivered>>);

impl Target for Others {
    fn deliver<'a>(&'a self, sent: &'a Consignment) -> BoxFuture<'a, Result<(), Undelivered>> {
        let answer = self.1.lock().pop().map_or(Ok(()), Err);
        if answer.is_ok() {
            self.0.lock().push(sent.clone());
        }
        Box::pin(std::future::ready(answer))
    }
}

pub struct House {
    pub doors: Doors,
    pub room: Arc<Sns>,
    pub queues: Arc<Queues>,
    pub others: Arc<Others>,
    _kernel: Arc<Kernel>,
}

/// An error as a customer sees it: its code and its message.
pub type Refused = (String, String);

impl House {
    pub fn new() -> Self {
        let ledger = Ledger::ephemeral(Sns::tables(haar_kernel::tables()));
        Self::over(Clock::simulated(BEGIN), ledger, Kv::ephemeral(), Arc::default())
    }

    /// A house where policies decide.
    pub fn enforced(identities: Arc<dyn Identities>) -> Self {
        let ledger = Ledger::ephemeral(Sns::tables(haar_kernel::tables()));
        let settings = Settings { auth: Auth::Enforce, ..Settings::default() };
        let clock = Clock::simulated(BEGIN);
        Self::with((clock, ledger, Kv::ephemeral()), Arc::default(), (settings, identities))
    }

    /// The same state, as another process finds it.
    pub fn again(self) -> Self {
        let Doors { clock, ledger, kv, .. } = self.doors.clone();
        let queues = Arc::clone(&self.queues);
        drop(self);
        Self::over(clock, ledger, kv, queues)
    }

    fn over(clock: Clock, ledger: Ledger, kv: Kv, queues: Arc<Queues>) -> Self {
        Self::with((clock, ledger, kv), queues, (Settings::default(), Arc::new(NoIdentities)))
    }

    fn with(
        (clock, ledger, kv): (Clock, Ledger, Kv),
        queues: Arc<Queues>,
        (settings, identities): (Settings, Arc<dyn Identities>),
    ) -> Self {
        let ids = IdSource::seeded(7);
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger,
            kv,
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock)),
            meter: Arc::new(NoMeter),
            settings,
        });
        let others = Arc::new(Others::default());
        doors.targets.offer("lambda", Arc::clone(&others) as _);
        doors.targets.offer("sqs", Arc::clone(&others) as _);
        let key = DataKey::new(&[7; DataKey::LEN]);
        let room = Sns::open(&doors, key).unwrap();
        let of_queues = |lanes: &mut Lanes<Queues>| lanes.flow::<SendMessage>();
        let kernel = KernelBuilder::new(doors.clone(), identities)
            .room(Arc::clone(&room), Sns::lanes)
            .room(Arc::clone(&queues), of_queues)
            .build();
        room.start().unwrap();
        Self { doors, room, queues, others, _kernel: kernel }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let principal = Arc::new(Principal::root(AccountId::default()));
        self.call_as::<O>(principal, input).await
    }

    /// The same for somebody.
    pub async fn call_as<O: Operation>(
        &self,
        principal: Arc<Principal>,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        match self.doors.call::<O>(principal, &Region::default(), input).await {
            Ok(output) => Ok(serde_json::to_value(&output).unwrap()),
            Err(error) => Err((error.code().to_owned(), error.message().to_owned())),
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
