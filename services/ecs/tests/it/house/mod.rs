//! A simulated machine with the room on it: kernel, controllers, observer, and neighbours that
//! are played.

mod neighbours;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haar_blobs::Blobs;
use haar_cloudwatch_contract::peek::MetricSink;
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_ec2_contract::peek::Ec2Peek;
use haar_ecs::Ecs;
use haar_ecs::controllers::{Filtering, Health, Services, Sweeper, Tasks};
use haar_ecs::doors::TaskDoors;
use haar_ecs::state::{ServiceRow, TaskRow, TaskStatus};
use haar_ecs_contract::model::*;
use haar_kernel::{
    Auth, DoorParts, Doors, Identities, Identity, IdentityError, Kernel, KernelBuilder,
    NoIdentities, Principal, Settings, UsageRecord,
};
use haar_ledger::Snapshot;
use haar_logs_contract::peek::LogSink;
use haar_policy::{Document, Grammar, PolicySet};
use haar_sim::{Sim, SimDoors, World};
use haar_substrate::sim::SimSubstrate;
use haar_substrate::{Exit, SandboxId};
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) use neighbours::{Neighbours, SUBNET, SUBNET_FULL, SUBNET_SIZE};

/// What outlives the process.
pub(crate) struct Outside {
    substrate: OnceLock<Arc<SimSubstrate>>,
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) usage: Arc<Bill>,
    /// Everybody's policy, where policies decide.
    policy: Option<Arc<Document>>,
}

/// Knows everybody, who all have one policy.
struct Under(Arc<Document>);

impl Identities for Under {
    fn identify(
        &self,
        _snapshot: &Snapshot,
        _access_key_id: &str,
        _session_token: Option<&str>,
        _now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        Err(IdentityError::Unknown)
    }

    fn policies(&self, _snapshot: &Snapshot, _principal: &Principal) -> PolicySet {
        PolicySet { identity: vec![Arc::clone(&self.0)], ..PolicySet::default() }
    }
}

impl Outside {
    pub(crate) fn substrate(&self) -> &Arc<SimSubstrate> {
        self.substrate.get().expect("the first boot makes it")
    }
}

/// Collects what is metered.
#[derive(Default)]
pub(crate) struct Bill(pub(crate) Mutex<Vec<UsageRecord>>);

impl haar_kernel::Meter for Bill {
    fn record(&self, usage: UsageRecord) {
        self.0.lock().push(usage);
    }
}

pub(crate) struct Process {
    pub(crate) doors: Doors,
    pub(crate) room: Arc<Ecs>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

pub(crate) type Cloud<'a> = World<'a, Outside, Process>;

/// An error as a customer sees it: its name and its message.
pub(crate) type Refused = (String, String);

/// A world with the room in it.
pub(crate) fn sim() -> Sim<Outside, Process> {
    governed(None)
}

fn governed(policy: Option<Arc<Document>>) -> Sim<Outside, Process> {
    let outside = move |_: &_| Outside {
        substrate: OnceLock::new(),
        neighbours: Arc::default(),
        usage: Arc::default(),
        policy: policy.clone(),
    };
    Sim::new(haar_ecs::state::tables(), outside, boot)
        .invariant(no_address_is_held_twice)
        .invariant(no_task_outlives_its_sandbox_row)
}

fn no_address_is_held_twice(snapshot: &Snapshot) -> Result<(), String> {
    let mut held = std::collections::BTreeSet::new();
    for task in snapshot.all::<TaskRow>() {
        let interface = task.interface.as_ref().filter(|interface| !interface.is_released);
        if let Some(interface) = interface
            && !held.insert(interface.address)
        {
            return Err(format!("{} is held twice", interface.address));
        }
    }
    Ok(())
}

fn no_task_outlives_its_sandbox_row(snapshot: &Snapshot) -> Result<(), String> {
    let mut stopped =
        snapshot.all::<TaskRow>().filter(|row| row.last_status == TaskStatus::Stopped);
    let held = stopped.find(|row| row.interface.as_ref().is_some_and(|one| !one.is_released));
    held.map_or(Ok(()), |row| Err(format!("stopped task {} holds an address", row.key.id)))
}

#[allow(clippy::disallowed_methods)] // the loops end with the process
fn boot(sim: &SimDoors, outside: &Outside) -> Process {
    let make = || Arc::new(SimSubstrate::new(sim.clock.clone()));
    let substrate = Arc::clone(outside.substrate.get_or_init(make));
    let neighbours = &outside.neighbours;
    let doors = Doors::new(DoorParts {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
        blobs: Blobs::ephemeral(sim.ids.clone()).unwrap(),
        substrate,
        meter: Arc::clone(&outside.usage) as _,
        settings: Settings {
            auth: if outside.policy.is_some() { Auth::Enforce } else { Auth::Permissive },
            ..Settings::default()
        },
    });
    doors.peeks.offer::<dyn Ec2Peek>(Arc::clone(neighbours) as Arc<dyn Ec2Peek>);
    doors.peeks.offer::<dyn LogSink>(Arc::clone(neighbours) as Arc<dyn LogSink>);
    doors.peeks.offer::<dyn MetricSink>(Arc::clone(neighbours) as Arc<dyn MetricSink>);
    let task_doors = TaskDoors {
        images: Arc::clone(neighbours) as _,
        secrets: Arc::clone(neighbours) as _,
        logs: Arc::clone(neighbours) as _,
        credentials: Arc::clone(neighbours) as _,
        api: Arc::clone(neighbours) as _,
        serves_inside: false,
    };
    let room = Arc::new(Ecs::new(doors.clone(), task_doors));
    let identities: Arc<dyn Identities> = match &outside.policy {
        Some(policy) => Arc::new(Under(Arc::clone(policy))),
        None => Arc::new(NoIdentities),
    };
    let kernel = KernelBuilder::new(doors.clone(), identities);
    let kernel = kernel.room(Arc::clone(&room), Ecs::lanes).build();
    let cx = ActCx::new(sim.ledger.clone(), sim.clock.clone(), sim.ids.clone());
    let driver = Driver::new(cx)
        .add(Arc::new(Tasks::new(Arc::clone(&room))))
        .add(Arc::new(Services::new(Arc::clone(&room))))
        .add(Arc::new(Filtering::new(Arc::clone(&room))))
        .add(Arc::new(Health::new(Arc::clone(&room))))
        .add(Sweeper::new())
        .run();
    tokio::spawn(Arc::clone(&room).observe());
    tokio::spawn(Arc::clone(&room).measure());
    Process { doors, room, _kernel: kernel, _driver: driver }
}

/// Plays one story once, with a seed.
pub(crate) fn play(story: impl Fn(&mut Cloud<'_>)) {
    sim().seeds(1).check(story);
}

/// The same where a policy has a say in everything.
pub(crate) fn play_under(policy: &str, story: impl Fn(&mut Cloud<'_>)) {
    let policy = Document::parse(policy, Grammar::Inline).unwrap();
    governed(Some(Arc::new(policy))).seeds(1).check(story);
}

/// What customers do, and what they see.
pub(crate) trait Customer {
    fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize;

    /// The same where nothing may fail.
    fn ok<O: Operation>(&self, input: Value) -> Value
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call::<O>(input).unwrap()
    }

    fn cluster(&self) {
        self.ok::<CreateCluster>(json!({}));
    }

    /// Registers a definition of one container, `web`.
    fn define(&self, family: &str, image: &str) -> String {
        let made = self.ok::<RegisterTaskDefinition>(definition(family, image));
        made["taskDefinition"]["taskDefinitionArn"].as_str().unwrap().to_owned()
    }

    /// Runs one task; answers its ARN.
    fn run_task(&self, definition: &str) -> String {
        let made = self.ok::<RunTask>(run(definition));
        made["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
    }

    fn task(&self, arn: &str) -> Value {
        let found = self.ok::<DescribeTasks>(json!({ "tasks": [arn], "include": ["TAGS"] }));
        found["tasks"][0].clone()
    }

    fn service(&self, name: &str) -> Value {
        self.ok::<DescribeServices>(json!({ "services": [name] }))["services"][0].clone()
    }
}

impl Customer for Cloud<'_> {
    fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let principal = Arc::new(Principal::root(AccountId::default()));
        let input = serde_json::from_value(input).unwrap();
        let doors = &self.process().doors;
        match World::run(self, doors.call::<O>(principal, &Region::default(), input)) {
            Ok(output) => Ok(serde_json::to_value(&output).unwrap()),
            Err(error) => Err((error.name().to_owned(), error.message().to_owned())),
        }
    }
}

/// A definition of one container, `web`, that Fargate runs.
pub(crate) fn definition(family: &str, image: &str) -> Value {
    json!({
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{ "name": "web", "image": image }],
    })
}

pub(crate) fn network() -> Value {
    json!({ "awsvpcConfiguration": { "subnets": [SUBNET] } })
}

pub(crate) fn run(definition: &str) -> Value {
    json!({
        "taskDefinition": definition,
        "launchType": "FARGATE",
        "networkConfiguration": network(),
    })
}

pub(crate) fn service(name: &str, definition: &str, desired: u32) -> Value {
    json!({
        "serviceName": name,
        "taskDefinition": definition,
        "desiredCount": desired,
        "launchType": "FARGATE",
        "networkConfiguration": network(),
    })
}

/// Waits until a task is in a state.
pub(crate) fn reaches(world: &Cloud<'_>, arn: &str, status: TaskStatus, limit: Duration) -> bool {
    let id = arn.rsplit('/').next().unwrap().to_owned();
    world.run_until(limit, |snapshot| {
        let mut rows = snapshot.all::<TaskRow>();
        rows.any(|row| row.key.id == id && row.last_status == status)
    })
}

/// Tasks of a service that run and are to.
pub(crate) fn running(snapshot: &Snapshot, name: &str) -> usize {
    let of_service = |row: &TaskRow| row.service.as_ref().is_some_and(|key| key.name == name);
    let rows = snapshot.all::<TaskRow>().filter(|row| of_service(row));
    rows.filter(|row| row.last_status == TaskStatus::Running && row.stop.is_none()).count()
}

/// A service by its name.
pub(crate) fn row(snapshot: &Snapshot, name: &str) -> Arc<ServiceRow> {
    snapshot.all::<ServiceRow>().find(|row| row.key.name == name).unwrap()
}

pub(crate) fn sandbox(arn: &str) -> SandboxId {
    SandboxId(format!("ecs-{}", arn.rsplit('/').next().unwrap()))
}

pub(crate) fn exit(code: i32) -> Exit {
    Exit { code: Some(code), signal: None, out_of_memory: false }
}

/// Has a task's only container end, now.
pub(crate) fn end(world: &Cloud<'_>, id: &SandboxId, code: i32) {
    end_one(world, id, "web", code);
}

/// Has one of a task's containers end, now.
pub(crate) fn end_one(world: &Cloud<'_>, id: &SandboxId, container: &str, code: i32) {
    let substrate = world.outside.substrate();
    World::run(world, async { substrate.end(id, container, exit(code)) });
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
