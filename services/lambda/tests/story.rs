//! Functions under crashes at moments that a seed picks.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;
mod support;

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{
    DoorParts, Doors, Kernel, KernelBuilder, NoIdentities, NoMeter, Principal, Settings,
};
use haar_lambda::Lambda;
use haar_lambda::controllers::Functions;
use haar_lambda::doors::FleetDoors;
use haar_lambda::fleet::{Fleet, FleetSettings};
use haar_lambda::state::{FunctionState, UpdateStatus, VersionRow};
use haar_lambda_contract::model::*;
use haar_ledger::Snapshot;
use haar_sim::{Sim, SimDoors, World};
use haar_substrate::sim::SimSubstrate;
use haar_types::{AccountId, Region};
use haar_wire::{AwsError, Operation};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

struct Process {
    doors: Doors,
    _kernel: Arc<Kernel>,
    _driver: DriverHandle,
}

/// The room with its controller, on a disk that outlives crashes.
fn boot(sim: &SimDoors, disk: &tempfile::TempDir) -> Process {
    let sinks = Arc::new(support::Sinks::default());
    let substrate = Arc::new(SimSubstrate::new(sim.clock.clone()));
    let doors = Doors::new(DoorParts {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
        blobs: Blobs::open(disk.path().join("blobs"), sim.ids.clone()).unwrap(),
        substrate: substrate.clone(),
        meter: Arc::new(NoMeter),
        settings: Settings { data_dir: disk.path().to_owned(), ..Settings::default() },
    });
    let fleet_doors = FleetDoors {
        substrate,
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        logs: sinks.clone(),
        metrics: sinks.clone(),
        usage: sinks.clone(),
        credentials: sinks.clone(),
        api: sinks,
    };
    let fleet = Fleet::new(fleet_doors, FleetSettings::new(disk.path().to_owned()));
    let room = Arc::new(Lambda::new(doors.clone(), fleet));
    let kernel = KernelBuilder::new(doors.clone(), Arc::new(NoIdentities));
    let kernel = kernel.room(Arc::clone(&room), Lambda::lanes).build();
    let cx = ActCx { ledger: sim.ledger.clone(), clock: sim.clock.clone(), ids: sim.ids.clone() };
    let driver = Driver::new(cx).add(Arc::new(Functions::new(room))).run();
    Process { doors, _kernel: kernel, _driver: driver }
}

type Cloud<'a> = World<'a, tempfile::TempDir, Process>;

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
    let disk = |_: &_| tempfile::tempdir().unwrap();
    let sim = Sim::new(haar_lambda::state::tables(), disk, boot).seeds(6);
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
