//! Events between rooms: told with their commit, delivered at least once, in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use haar_clock::{Clock, IdSource};
use haar_controller::{ActCx, Driver, DriverHandle};
use haar_kernel::{Auth, Delivery, Listener, NoIdentities, NotHeard, Told};
use haar_sim::{Sim, SimDoors, World};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::toy::{Cloud, EngineRow, EngineStarted, tables};

/// Hears outside of the process, as another system would: what it heard outlives crashes.
#[derive(Clone)]
struct Neighbour {
    state: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    told: Vec<Told<EngineStarted>>,
    /// Hears nothing before this time.
    deaf_until: Timestamp,
    /// Is to be told nothing.
    wants_nothing: bool,
}

impl Neighbour {
    fn take(&self, told: Told<EngineStarted>, now: Timestamp) -> Result<(), NotHeard> {
        let mut state = self.state.lock();
        if now < state.deaf_until {
            return Err(NotHeard("asleep".to_owned()));
        }
        state.told.push(told);
        Ok(())
    }
}

struct Ear {
    neighbour: Neighbour,
    clock: Clock,
}

impl Listener<EngineStarted> for Ear {
    fn hear(&self, told: Told<EngineStarted>) -> BoxFuture<'_, Result<(), NotHeard>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_millis(3)).await;
            self.neighbour.take(told, self.clock.now())?;
            self.clock.sleep(Duration::from_millis(3)).await;
            Ok(())
        })
    }

    fn wants(&self, _: &haar_ledger::Snapshot, _: &EngineStarted) -> bool {
        !self.neighbour.state.lock().wants_nothing
    }
}

struct Process {
    cloud: Cloud,
    _driver: DriverHandle,
}

fn boot(sim: &SimDoors, neighbours: &[Neighbour; 2]) -> Process {
    let [one, two] = neighbours.clone();
    open(sim, &[("one.ear", one), ("two.ear", two)])
}

fn open(sim: &SimDoors, ears: &[(&'static str, Neighbour)]) -> Process {
    let stores = (sim.ledger.clone(), sim.kv.clone());
    let chance: (Clock, IdSource) = (sim.clock.clone(), sim.ids.clone());
    let cloud = Cloud::on(chance, stores, Auth::Permissive, Arc::new(NoIdentities));
    for (name, neighbour) in ears {
        let ear = Ear { neighbour: neighbour.clone(), clock: sim.clock.clone() };
        cloud.doors.outbox.listen::<EngineStarted>(name, Arc::new(ear));
    }
    let cx = ActCx::new(sim.ledger.clone(), sim.clock.clone(), sim.ids.clone());
    let delivery = Arc::new(Delivery::new(cloud.doors.outbox.clone()));
    Process { cloud, _driver: Driver::new(cx).add(delivery).run() }
}

fn neighbours() -> [Neighbour; 2] {
    [(); 2].map(|()| Neighbour { state: Arc::default() })
}

fn sim() -> Sim<[Neighbour; 2], Process> {
    Sim::new(tables(), |_| neighbours(), boot)
}

fn start(world: &World<'_, [Neighbour; 2], Process>) -> String {
    world.run(world.process().cloud.start("us-east-1", "diesel", None)).unwrap().name
}

fn nothing_waits(snapshot: &haar_ledger::Snapshot) -> bool {
    snapshot.row_counts().contains(&("kernel.told", 0))
}

/// The names that a neighbour heard, without repetitions, in order.
fn heard(neighbour: &Neighbour) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let state = neighbour.state.lock();
    let first = state.told.iter().filter(|told| seen.insert(told.id.clone()));
    first.map(|told| told.event.name.clone()).collect()
}

#[test]
fn what_is_told_is_heard_by_each_in_order_across_crashes() {
    sim().check(|world| {
        let mut names = Vec::new();
        for _ in 0..12 {
            names.push(start(world));
            if world.draw(3) == 0 {
                world.crash_within(Duration::from_millis(30));
            }
        }
        assert!(world.run_until(Duration::from_secs(60), nothing_waits));
        for neighbour in &world.outside {
            assert_eq!(heard(neighbour), names);
        }
    });
}

#[test]
fn what_a_listener_does_not_want_when_it_is_told_it_never_hears() {
    sim().seeds(5).check(|world| {
        world.outside[0].state.lock().wants_nothing = true;
        let first = start(world);
        world.outside[0].state.lock().wants_nothing = false;
        let second = start(world);
        assert!(world.run_until(Duration::from_secs(60), nothing_waits));
        assert_eq!(heard(&world.outside[0]), [second.as_str()]);
        assert_eq!(heard(&world.outside[1]), [first, second]);
    });
}

#[test]
fn a_deaf_listener_holds_up_nobody_else_and_misses_nothing() {
    sim().seeds(5).check(|world| {
        world.outside[0].state.lock().deaf_until = world.now() + Duration::from_secs(300);
        let names: Vec<String> = (0..3).map(|_| start(world)).collect();
        world.run_for(Duration::from_secs(100));
        assert_eq!(heard(&world.outside[0]), Vec::<String>::new());
        assert_eq!(heard(&world.outside[1]), names);
        world.crash();
        assert!(world.run_until(Duration::from_secs(900), nothing_waits));
        assert_eq!(heard(&world.outside[0]), names);
    });
}

#[test]
fn what_was_not_committed_was_not_told() {
    sim().seeds(5).check(|world| {
        let refused = world.run(world.process().cloud.start("us-east-1", "square", None));
        assert!(refused.is_err());
        let doors = &world.process().cloud.doors;
        let undone = doors.ledger.transact(|tx| {
            doors.outbox.tell(tx, Timestamp(0), &EngineStarted { name: "never".to_owned() });
            Err::<(), haar_wire::AwsError>(haar_wire::AwsError::internal_failure("undone"))
        });
        assert!(undone.is_err());
        world.run_for(Duration::from_secs(5));
        assert_eq!(heard(&world.outside[0]), Vec::<String>::new());
        assert!(nothing_waits(&world.snapshot()));
        assert_eq!(world.snapshot().len::<EngineRow>(), 0);
    });
}

#[test]
fn events_for_a_listener_that_is_gone_are_dropped() {
    let first_only = |doors: &SimDoors, first: &Mutex<bool>| {
        let listening = std::mem::take(&mut *first.lock());
        boot_with(doors, listening)
    };
    Sim::new(tables(), |_| Mutex::new(true), first_only).seeds(3).check(|world| {
        world.run(world.process().cloud.start("us-east-1", "diesel", None)).unwrap();
        assert!(!nothing_waits(&world.snapshot()));
        world.crash();
        assert!(world.run_until(Duration::from_secs(30), nothing_waits));
    });
}

/// A process whose only listener is deaf, or that has none.
fn boot_with(sim: &SimDoors, listening: bool) -> Process {
    let deaf = Neighbour { state: Arc::default() };
    deaf.state.lock().deaf_until = Timestamp(i64::MAX);
    let ears = if listening { vec![("old.ear", deaf)] } else { Vec::new() };
    open(sim, &ears)
}
