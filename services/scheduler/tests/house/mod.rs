//! The room behind a kernel, with receivers that record what reaches them.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_iam_contract::peek::{
    AssumeError, IamPeek, MfaError, OidcProviderFacts, RoleFacts, ServiceSession,
    SessionCredentials, SessionGrant,
};
use haar_kernel::targets::{Consignment, Target, Undelivered};
use haar_kernel::{
    Answer, Call, DoorParts, Doors, Flow, Kernel, KernelBuilder, Lanes, NoIdentities, NoMeter,
    Principal, Room, Settings,
};
use haar_kv::Kv;
use haar_ledger::{Ledger, Snapshot, Tables};
use haar_policy::Principal as Identity;
use haar_scheduler::Scheduler;
use haar_sqs_contract::{SendMessage, SendMessageRequest, SendMessageResult};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region, Tags, Timestamp};
use haar_wire::{Operation, ServiceSchema};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// When every story begins: 2027-01-15T08:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);
pub const ROLE: &str = "arn:aws:iam::000000000000:role/schedules";

/// An error as a customer sees it: its name and its message.
pub type Refused = (String, String);

/// What reached receivers, and how they answer next.
#[derive(Default)]
pub struct Receiver {
    pub got: Mutex<Vec<Consignment>>,
    pub answers: Mutex<Vec<Undelivered>>,
    /// What is sent to ARNs that hold this text never comes to an end.
    pub hanging: Mutex<Option<String>>,
}

impl Receiver {
    /// Bodies that arrived, with the last parts of their ARNs.
    pub fn bodies(&self) -> Vec<(String, String)> {
        let name = |one: &Consignment| one.arn.rsplit(':').next().unwrap().to_owned();
        let body = |one: &Consignment| String::from_utf8(one.body.to_vec()).unwrap();
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

/// Queues that keep what they are sent; a message `hang` is never taken.
#[derive(Default)]
pub struct Queues(pub Mutex<Vec<String>>);

impl Room for Queues {
    fn service(&self) -> &'static ServiceSchema {
        &haar_sqs_contract::model::SERVICE
    }
}

impl Flow<SendMessage> for Queues {
    async fn flow(self: Arc<Self>, _call: Call, input: SendMessageRequest) -> Answer<SendMessage> {
        let body = input.message_body;
        let hangs = body == "hang";
        self.0.lock().push(body);
        if hangs {
            std::future::pending::<()>().await;
        }
        Ok(SendMessageResult::default())
    }
}

/// Any role's ARN has a session.
struct Roles;

impl IamPeek for Roles {
    fn role(&self, _: &Snapshot, _: &str) -> Option<RoleFacts> {
        None
    }

    fn service_may_assume(
        &self,
        _: &Snapshot,
        _: &str,
        _: &str,
        _: &str,
    ) -> Result<(), AssumeError> {
        Ok(())
    }

    fn may_pass_role(&self, _: &Snapshot, _: &Principal, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn service_session(
        &self,
        _: &Snapshot,
        _: &haar_clock::Ids,
        _: &ServiceSession<'_>,
        _: Timestamp,
    ) -> Result<SessionCredentials, AssumeError> {
        Err(AssumeError::NoSuchRole)
    }

    fn mint(&self, _: &haar_clock::Ids, _: &SessionGrant) -> SessionCredentials {
        unreachable!("nobody here signs")
    }

    fn role_session(&self, _: &Snapshot, _: &str, _: &str) -> Option<Identity> {
        Some(Identity::Root { account: AccountId::default() })
    }

    fn account_of_access_key(&self, _: &str) -> Option<AccountId> {
        None
    }

    fn managed_policy(&self, _: &Snapshot, _: &str) -> Option<String> {
        None
    }

    fn user_tags(&self, _: &Snapshot, _: &str) -> Tags {
        Tags::new()
    }

    fn take_mfa_code(
        &self,
        _: &haar_policy::Principal,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<haar_ledger::Committed<()>, MfaError> {
        Err(MfaError::NotTheirs)
    }

    fn oidc_provider(&self, _: &Snapshot, _: &AccountId, _: &str) -> Option<OidcProviderFacts> {
        None
    }
}

/// One process.
pub struct House {
    pub doors: Doors,
    pub room: Arc<Scheduler>,
    pub receiver: Arc<Receiver>,
    pub queues: Arc<Queues>,
    _kernel: Arc<Kernel>,
    timing: tokio::task::JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.timing.abort();
    }
}

pub struct Ground {
    pub clock: Clock,
    pub ids: IdSource,
    pub ledger: Ledger,
    pub kv: Kv,
}

pub fn tables() -> Tables {
    haar_kernel::tables().and(&haar_scheduler::tables())
}

impl House {
    /// A house on fresh ground.
    pub fn new() -> Self {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let (ledger, kv) = (Ledger::ephemeral(tables()), Kv::ephemeral());
        Self::on(Ground { clock, ids, ledger, kv }, Arc::default())
    }

    pub fn on(ground: Ground, receiver: Arc<Receiver>) -> Self {
        let doors = Doors::new(DoorParts {
            clock: ground.clock.clone(),
            ids: ground.ids.clone(),
            ledger: ground.ledger,
            kv: ground.kv,
            blobs: Blobs::ephemeral(ground.ids).unwrap(),
            substrate: Arc::new(SimSubstrate::new(ground.clock)),
            meter: Arc::new(NoMeter),
            settings: Settings::default(),
        });
        doors.peeks.offer::<dyn IamPeek>(Arc::new(Roles));
        for service in ["lambda", "sqs", "events", "ecs"] {
            doors.targets.offer(service, Arc::clone(&receiver) as _);
        }
        let room = Scheduler::new(&doors);
        let queues = Arc::<Queues>::default();
        let of_queues = |lanes: &mut Lanes<Queues>| lanes.flow::<SendMessage>();
        let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities))
            .room(Arc::clone(&room), haar_scheduler::lanes)
            .room(Arc::clone(&queues), of_queues)
            .build();
        room.start().unwrap();
        let timing = tokio::spawn(Arc::clone(&room).run());
        Self { doors, room, receiver, queues, _kernel: kernel, timing }
    }

    /// What outlives the process.
    pub fn ground(&self) -> Ground {
        let Doors { ids, ledger, kv, .. } = self.doors.clone();
        Ground { clock: Clock::simulated(self.doors.clock.now()), ids, ledger, kv }
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input: O::Input = serde_json::from_value(input).unwrap();
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

/// The input of a schedule that calls a function.
pub fn schedule(name: &str, expression: &str, more: Value) -> Value {
    let mut input = json!({
        "Name": name,
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "RoleArn": ROLE,
            "Input": "<aws.scheduler.scheduled-time>",
        },
    });
    for (member, value) in more.as_object().unwrap() {
        match (member.as_str(), input.get_mut("Target")) {
            ("Target", Some(target)) => {
                target.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            }
            _ => input[member] = value.clone(),
        }
    }
    input
}
