//! What hours of coming and going leave behind.

use haar_ecs::state::{LogPositionRow, MeterRow, TaskRow};
use haar_ecs_contract::model::*;
use haar_ledger::Snapshot;
use haar_substrate::Substrate as _;
use serde_json::json;

use crate::house::*;

/// Tasks of the service, and how many of them are killed: one each ten seconds of an hour.
const TASKS: u32 = 5;
const KILLS: usize = 360;

/// Of the tasks that run, the one that has done so for longest.
fn oldest(snapshot: &Snapshot) -> String {
    let runs = snapshot.all::<TaskRow>().filter(|row| row.stop.is_none());
    let started = runs.filter_map(|row| Some((row.times.started_at?, row.key.arn())));
    started.min().map(|(_, arn)| arn).unwrap()
}

#[test]
fn an_hour_of_churn_leaves_nothing_behind() {
    sim().seeds(1).check(|world| {
        world.cluster();
        world.define("web", "nginx");
        world.ok::<CreateService>(service("s", "web", TASKS));
        let is_whole = |snapshot: &Snapshot| running(snapshot, "s") == TASKS as usize;
        assert!(world.run_until(seconds(60), is_whole));
        for kill in 1..=KILLS {
            let victim = sandbox(&oldest(&world.snapshot()));
            end(world, &victim, 1);
            world.run_for(seconds(10));
            if kill % 90 == 0 {
                world.crash_within(seconds(5));
            }
        }
        assert!(world.run_until(seconds(60), is_whole));
        let list = world.run(world.outside.substrate().list()).unwrap();
        assert_eq!(list.len(), TASKS as usize);

        world.ok::<DeleteService>(json!({ "service": "s", "force": true }));
        let substrate = world.outside.substrate();
        let is_over = |snapshot: &Snapshot| {
            snapshot.all::<TaskRow>().all(|row| row.times.stopped_at.is_some())
        };
        assert!(world.run_until(seconds(120), is_over));
        assert!(world.run(substrate.list()).unwrap().is_empty());
        // tasks that have stopped are shown for an hour
        world.run_for(seconds(3_700));
        let snapshot = world.snapshot();
        assert_eq!(snapshot.all::<TaskRow>().count(), 0);
        assert_eq!(snapshot.all::<LogPositionRow>().count(), 0);
        assert_eq!(snapshot.all::<MeterRow>().count(), 0);
    });
}
