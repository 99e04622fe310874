//! Functions under crashes at moments that a seed picks.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;
mod support;

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::{Blobs, Digest};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{
    DoorParts, Doors, Kernel, KernelBuilder, Meter, NoIdentities, Principal, Settings, UsageRecord,
};
use haar_lambda::Lambda;
use haar_lambda::controllers::{Charges, Functions};
use haar_lambda::doors::FleetDoors;
use haar_lambda::fleet::{Fleet, FleetSettings};
use haar_lambda::state::{FunctionState, UpdateStatus, VersionRow};
use haar_lambda_contract::model::*;
use haar_ledger::Snapshot;
use haar_sim::{Sim, SimDoors, World};
use haar_substrate::ImageId;
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region};
use haar_wire::{AwsError, Operation};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What outlives a crash.
struct Outside {
    disk: tempfile::TempDir,
    bill: Arc<Bill>,
}

impl Outside {
    fn new() -> Self {
        Self { disk: tempfile::tempdir().unwrap(), bill: Arc::default() }
    }
}

/// Metering records, as they came.
#[derive(Default)]
struct Bill(parking_lot::Mutex<Vec<UsageRecord>>);

impl Meter for Bill {
    fn record(&self, usage: UsageRecord) {
        self.0.lock().push(usage);
    }
}

impl Bill {
    /// The sum of one kind.
    fn sum(&self, kind: &str) -> u64 {
        let records = self.0.lock();
        let quantities = records.iter().flat_map(|record| &record.quantities);
        quantities.filter(|(one, _)| *one == kind).map(|(_, quantity)| quantity).sum()
    }
}

struct Process {
    doors: Doors,
    bill: Arc<Bill>,
    substrate: Arc<SimSubstrate>,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// The room with its controllers, on a disk that outlives crashes.
fn boot(sim: &SimDoors, outside: &Outside) -> Process {
    let disk = &outside.disk;
    let sinks = Arc::new(support::Sinks::default());
    for tag in ["1", "2"] {
        sinks.images.lock().insert(format!("r/i:{tag}"), Ok(Digest::of(tag.as_bytes())));
    }
    let substrate = Arc::new(SimSubstrate::new(sim.clock.clone()));
    let doors = Doors::new(DoorParts {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
        blobs: Blobs::open(disk.path().join("blobs"), sim.ids.clone()).unwrap(),
        substrate: substrate.clone(),
        meter: outside.bill.clone(),
        settings: Settings { data_dir: disk.path().to_owned(), ..Settings::default() },
    });
    let fleet_doors = FleetDoors {
        substrate: substrate.clone(),
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        logs: sinks.clone(),
        metrics: sinks.clone(),
        usage: sinks.clone(),
        credentials: sinks.clone(),
        api: sinks.clone(),
        images: sinks.clone(),
        outside: sinks,
    };
    let fleet = Fleet::new(fleet_doors, FleetSettings::new(disk.path().to_owned()));
    let room = Arc::new(Lambda::new(doors.clone(), fleet));
    let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities));
    let kernel = kernel.room(Arc::clone(&room), Lambda::lanes).build();
    let cx = ActCx::new(sim.ledger.clone(), sim.clock.clone(), sim.ids.clone());
    let driver = Driver::new(cx)
        .add(Arc::new(Functions::new(Arc::clone(&room))))
        .add(Arc::new(Charges::new(room)))
        .run();
    let bill = outside.bill.clone();
    Process { doors, bill, substrate, _kernel: kernel, _driver: driver }
}

type Cloud<'a> = World<'a, Outside, Process>;

fn call<O: Operation>(world: &Cloud<'_>, input: Value) -> Result<O::Output, AwsError>
where
    O::Input: DeserializeOwned,
{
    let principal = Arc::new(Principal::root(AccountId::default()));
    let input = serde_json::from_value(input).unwrap();
    world.run(world.process().doors.call::<O>(principal, &Region::default(), input))
}

fn settled(snapshot: &Snapshot, count: usize) -> bool {
    let ready = |row: &VersionRow| {
        row.state == FunctionState::Active && row.last_update != Some(UpdateStatus::InProgress)
    };
    let rows: Vec<_> = snapshot.all::<VersionRow>().collect();
    rows.len() == count && rows.iter().all(|row| ready(row))
}

#[test]
fn functions_that_were_acknowledged_become_active_whatever_crashes() {
    let sim = Sim::new(haar_lambda::state::tables(), |_: &_| Outside::new(), boot).seeds(6);
    sim.check(|world| {
        for number in 1..=3 {
            let name = format!("f{number}");
            call::<CreateFunction>(world, house::python(&name)).unwrap();
            world.crash_within(Duration::from_millis(20));
            let update = json!({ "FunctionName": name, "Timeout": 7 });
            // Refused while the creation is under way, as on AWS; then it must be settled soon.
            let updated = call::<UpdateFunctionConfiguration>(world, update);
            world.crash_within(Duration::from_millis(20));
            let limit = Duration::from_secs(60);
            assert!(world.run_until(limit, |snapshot| settled(snapshot, number)));
            let found = json!({ "FunctionName": name });
            let found = call::<GetFunctionConfiguration>(world, found).unwrap();
            let timeout = if updated.is_ok() { 7 } else { 3 };
            assert_eq!((found.timeout, found.state), (Some(timeout), Some(State::Active)));
        }
    });
}

#[test]
fn images_are_held_as_long_as_a_version_refers_to_them_whatever_crashes() {
    let sim = Sim::new(haar_lambda::state::tables(), |_: &_| Outside::new(), boot).seeds(4);
    sim.check(|world| {
        let settle = |world: &mut Cloud<'_>, count: usize| {
            assert!(world.run_until(Duration::from_secs(60), |snapshot| settled(snapshot, count)));
            world.run_for(Duration::from_secs(1));
        };
        let held = |world: &Cloud<'_>| world.process().substrate.sim_images().held("lambda");
        let id = |tag: &str| ImageId(Digest::of(tag.as_bytes()).to_string());
        let input = json!({
            "FunctionName": "f", "PackageType": "Image", "Code": { "ImageUri": "r/i:1" },
            "Role": house::ROLE, "Publish": true,
        });
        call::<CreateFunction>(world, input).unwrap();
        world.crash_within(Duration::from_millis(20));
        settle(world, 2);
        assert_eq!(held(world), [id("1")].into());
        let update = json!({ "FunctionName": "f", "ImageUri": "r/i:2" });
        call::<UpdateFunctionCode>(world, update).unwrap();
        world.crash_within(Duration::from_millis(20));
        settle(world, 2);
        assert_eq!(held(world), [id("1"), id("2")].into(), "a version keeps the first");
        world.crash();
        world.run_for(Duration::from_secs(1));
        assert_eq!(held(world), [id("1"), id("2")].into());
        call::<DeleteFunction>(world, json!({ "FunctionName": "f", "Qualifier": "1" })).unwrap();
        settle(world, 1);
        assert_eq!(held(world), [id("2")].into());
        call::<DeleteFunction>(world, json!({ "FunctionName": "f" })).unwrap();
        settle(world, 0);
        assert_eq!(held(world), [].into());
    });
}

#[test]
fn what_is_held_ready_is_charged_by_five_minutes() {
    let sim = Sim::new(haar_lambda::state::tables(), |_: &_| Outside::new(), boot).seeds(2);
    sim.check(|world| {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let mut input = house::python("f");
        input["Architectures"] = json!(["arm64"]);
        input["Publish"] = json!(true);
        call::<CreateFunction>(world, input).unwrap();
        assert!(world.run_until(minutes(1), |snapshot| settled(snapshot, 2)));
        let provision = |count: u32| json!({ "FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": count });
        let charged = |world: &Cloud<'_>| {
            let five_minutes = 128 * 300_000; // MB-milliseconds of one environment
            world.process().bill.sum("provisioned-mb-ms/arm64") / five_minutes
        };
        call::<PutProvisionedConcurrencyConfig>(world, provision(3)).unwrap();
        world.run_for(minutes(4));
        assert_eq!(charged(world), 3);
        call::<PutProvisionedConcurrencyConfig>(world, provision(3)).unwrap();
        world.run_for(minutes(8));
        assert_eq!(charged(world), 9, "twelve minutes are fifteen");
        world.crash();
        world.run_for(minutes(2));
        assert_eq!(charged(world), 9, "a restart charges nothing twice");
        call::<PutProvisionedConcurrencyConfig>(world, provision(1)).unwrap();
        world.run_for(minutes(1));
        assert_eq!(charged(world), 10, "another amount begins anew");
        let gone = json!({ "FunctionName": "f", "Qualifier": "1" });
        call::<DeleteProvisionedConcurrencyConfig>(world, gone).unwrap();
        world.run_for(minutes(60));
        assert_eq!(charged(world), 10);
        let records = world.process().bill.0.lock();
        assert!(records.iter().all(|one| one.service == "lambda" && one.resource == "f"));
    });
}
