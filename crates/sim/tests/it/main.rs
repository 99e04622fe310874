//! Stories of a toy cloud: rows ask for engines to run, a machine outside runs them.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

mod engines;

use std::time::Duration;

use haar_ledger::Snapshot;
use haar_sim::{Sim, World};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::engines::{EngineRow, Machine, Process, Status, cloud};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn ask(world: &World<'_, Machine, Process>, name: &str) {
    let row = EngineRow { name: name.to_owned(), status: Status::Asked, asked_at: world.now() };
    world.commit(|tx| tx.put(row));
}

fn status(snapshot: &Snapshot, name: &str) -> Status {
    snapshot.get::<EngineRow>(&name.to_owned()).unwrap().status
}

#[test]
fn an_engine_outlives_an_outage_and_a_crash_and_starts_exactly_once() {
    cloud().check(|world| {
        world.outside.outage_until(world.now() + seconds(90));
        ask(world, "web");
        world.run_for(seconds(89));
        assert_eq!(status(&world.snapshot(), "web"), Status::Asked);

        world.crash_within(seconds(100)); // the seed picks the moment
        assert!(world.run_until(seconds(120), |now| status(now, "web") == Status::Runs));
        assert_eq!(world.outside.starts(), 1);
    });
}

#[test]
fn many_engines_survive_many_crashes_and_none_starts_twice() {
    cloud().check(|world| {
        for at in 0..20 {
            ask(world, &format!("e{at}"));
            if world.draw(3) == 0 {
                world.crash_within(Duration::from_millis(40));
            }
        }
        let done = |now: &Snapshot| now.all::<EngineRow>().all(|row| row.status == Status::Runs);
        assert!(world.run_until(seconds(60), done));
        assert_eq!((world.snapshot().len::<EngineRow>(), world.outside.starts()), (20, 20));
    });
}

#[test]
fn an_engine_that_never_comes_is_given_up_at_its_deadline() {
    cloud().seeds(3).check(|world| {
        world.outside.outage_until(world.now() + seconds(7200));
        ask(world, "web");
        world.run_for(engines::ASKED_MAX - seconds(1));
        assert_eq!(status(&world.snapshot(), "web"), Status::Asked);
        world.run_for(seconds(2));
        assert_eq!(status(&world.snapshot(), "web"), Status::GivenUp);
    });
}

#[test]
fn what_was_not_flushed_is_gone_after_a_crash_and_time_goes_on() {
    cloud().seeds(3).check(|world| {
        // The next process's clock begins at the real time: the story's must be ahead of it.
        world.run_for(seconds(3600));
        let started = world.now();
        ask(world, "kept");
        let row = EngineRow { name: "lost".to_owned(), status: Status::Asked, asked_at: started };
        world.doors().ledger.write(|tx| tx.put(row)).early().unwrap();
        world.run_for(Duration::ZERO);
        let before = world.now();
        world.break_disk(true);
        world.crash();
        world.break_disk(false);
        assert!(world.now() >= before && world.now() <= before + Duration::from_millis(1));
        assert_eq!(world.snapshot().get::<EngineRow>(&"lost".to_owned()).map(|_| ()), None);
        assert!(world.run_until(seconds(9), |now| status(now, "kept") == Status::Runs));
    });
}

#[test]
fn the_same_seed_plays_the_same_story() {
    let traces = Mutex::new(Vec::new());
    for _ in 0..2 {
        cloud().seeds(1).check(|world| {
            (0..5).for_each(|at| ask(world, &format!("e{at}")));
            world.crash_within(seconds(1));
            world.run_for(seconds(30));
            let trace: Vec<(String, Timestamp)> = world.outside.trace();
            traces.lock().push((trace, world.now(), world.doors().ids.draw()));
        });
    }
    let traces = traces.into_inner();
    assert_eq!(traces[0], traces[1]);
    assert_eq!(traces[0].0.len(), 5);
}

#[test]
#[should_panic(expected = "an invariant does not hold: web runs")]
fn a_broken_invariant_fails_the_story() {
    let sim: Sim<Machine, Process> = cloud().seeds(1).invariant(|now| {
        let runs = now.all::<EngineRow>().find(|row| row.status == Status::Runs);
        runs.map_or(Ok(()), |row| Err(format!("{} runs", row.name)))
    });
    sim.check(|world| {
        ask(world, "web");
        world.run_for(seconds(60));
    });
}
