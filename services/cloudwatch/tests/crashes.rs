//! Crashes and a broken disk at moments that a seed picks.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_cloudwatch::Cloudwatch;
use haar_cloudwatch_contract::model::*;
use haar_cloudwatch_contract::peek::{MetricSink, Sample};
use haar_ledger::Tables;
use haar_sim::{Sim, SimDoors, World};
use haar_types::{AccountId, Region, Timestamp};
use house::{Ground, House};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);

type Cloud<'a> = World<'a, (), House>;

#[allow(clippy::disallowed_methods)] // spawns the room's loop, as the wiring does
fn boot(sim: &SimDoors, (): &()) -> House {
    let house = House::on(Ground {
        clock: sim.clock.clone(),
        ids: sim.ids.clone(),
        ledger: sim.ledger.clone(),
        kv: sim.kv.clone(),
    });
    tokio::spawn(house.room.run());
    house
}

fn sim() -> Sim<(), House> {
    Sim::new(Cloudwatch::tables(Tables::new()), |_| (), boot)
}

fn datum(resolution_s: u32) -> Value {
    let datum = json!({ "MetricName": "x", "Value": 1.0, "StorageResolution": resolution_s });
    json!({ "Namespace": "App", "MetricData": [datum] })
}

fn put(world: &Cloud<'_>, resolution_s: u32) {
    world.run(world.process().ok::<PutMetricData>(datum(resolution_s)));
}

/// The sum of a metric's values since `begin`, by hours.
fn sum(world: &Cloud<'_>, begin: Timestamp) -> f64 {
    let input = json!({
        "Namespace": "App", "MetricName": "x", "Period": 3600, "Statistics": ["Sum"],
        "StartTime": (begin - HOUR).seconds(), "EndTime": (world.now() + HOUR).seconds(),
    });
    let found = world.run(world.process().ok::<GetMetricStatistics>(input));
    let points = found["Datapoints"].as_array().unwrap().iter();
    points.map(|point| point["Sum"].as_f64().unwrap()).sum()
}

#[test]
#[allow(clippy::disallowed_methods)] // spawns a request whose answer nobody hears
fn values_that_were_taken_count_once_whatever_crashes() {
    sim().check(|world| {
        let begin = world.now();
        let mut known = 0.0;
        for _ in 0..6 {
            put(world, 60);
            known += 1.0;
            let doors = world.process().doors.clone();
            world.run(async {
                tokio::spawn(async move {
                    let principal = haar_kernel::Principal::root(AccountId::default());
                    let input = serde_json::from_value(datum(60)).unwrap();
                    let region = Region::default();
                    let _ = doors.call::<PutMetricData>(principal.into(), &region, input).await;
                });
            });
            world.crash_within(Duration::from_millis(25));
            let found = sum(world, begin);
            assert!(found == known || found == known + 1.0, "{found} for {known}");
            known = found;
        }
    });
}

#[test]
fn values_of_other_rooms_count_once_when_they_had_their_moment() {
    sim().check(|world| {
        let begin = world.now();
        let mut known = 0.0;
        for _ in 0..5 {
            let sink = world.process().doors.peeks.expect::<dyn MetricSink>();
            let (account, region) = (AccountId::default(), Region::default());
            let sample = |value| Sample {
                account: &account,
                region: &region,
                namespace: "App",
                metric: "x",
                dimensions: &[],
                unit: "Count",
                value,
                at: world.now(),
            };
            sink.record(sample(1.0));
            world.run_for(Duration::from_millis(1100));
            sink.record(sample(100.0));
            world.crash_within(Duration::from_millis(1100));
            let found = sum(world, begin);
            let allowed = [known + 1.0, known + 101.0];
            assert!(allowed.contains(&found), "{found} after {known}");
            known = found;
        }
    });
}

#[test]
fn old_values_become_coarser_and_none_is_lost_whatever_fails() {
    sim().seeds(4).check(|world| {
        let begin = world.now();
        for number in 1..=5 {
            put(world, 1);
            if world.draw(2) == 0 {
                world.break_disk(true);
                world.run_for(HOUR);
                world.break_disk(false);
            }
            world.run_for(Duration::from_secs(80) * 3600);
            world.crash_within(HOUR * 8);
            assert_eq!(sum(world, begin), f64::from(number));
        }
        let early = json!({
            "Namespace": "App", "MetricName": "x", "Period": 300, "Statistics": ["Sum"],
            "StartTime": (begin - HOUR).seconds(), "EndTime": (begin + HOUR).seconds(),
        });
        let found = world.run(world.process().ok::<GetMetricStatistics>(early));
        assert_eq!(found["Datapoints"].as_array().unwrap().len(), 1);
    });
}
