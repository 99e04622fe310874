//! Crashes and a broken disk at moments that a seed picks.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::collections::BTreeMap;
use std::time::Duration;

use haar_ledger::Tables;
use haar_logs::Logs;
use haar_logs_contract::model::*;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_sim::{Sim, SimDoors, World};
use haar_types::{AccountId, Region};
use haar_wire::Operation;
use house::{Ground, House, Refused};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

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
    Sim::new(Logs::tables(Tables::new()), |_| (), boot)
}

fn call<O: Operation>(world: &Cloud<'_>, input: Value) -> Result<Value, Refused>
where
    O::Input: DeserializeOwned,
    O::Output: Serialize,
{
    world.run(world.process().call::<O>(input))
}

fn make_stream(world: &Cloud<'_>) {
    call::<CreateLogGroup>(world, json!({ "logGroupName": "/app" })).unwrap();
    let stream = json!({ "logGroupName": "/app", "logStreamName": "one" });
    call::<CreateLogStream>(world, stream).unwrap();
}

fn event(world: &Cloud<'_>, message: &str) -> Value {
    let events = json!([{ "timestamp": world.now().0, "message": message }]);
    json!({ "logGroupName": "/app", "logStreamName": "one", "logEvents": events })
}

/// How often each message is there, and whether they come in the order of their times.
fn found(world: &Cloud<'_>, group: &str) -> (BTreeMap<String, usize>, bool) {
    let page = call::<FilterLogEvents>(world, json!({ "logGroupName": group })).unwrap();
    let (mut counts, mut times) = (BTreeMap::new(), Vec::new());
    for event in page["events"].as_array().unwrap() {
        *counts.entry(event["message"].as_str().unwrap().to_owned()).or_default() += 1;
        times.push(event["timestamp"].as_i64().unwrap());
    }
    (counts, times.is_sorted())
}

#[test]
#[allow(clippy::disallowed_methods)] // spawns a request whose answer nobody hears
fn events_that_were_taken_are_there_once_whatever_fails() {
    sim().check(|world| {
        make_stream(world);
        let mut taken = Vec::new();
        for number in 0..6 {
            if world.draw(3) == 0 {
                world.break_disk(true);
                let refused = event(world, "refused");
                assert!(call::<PutLogEvents>(world, refused).is_err(), "the disk is broken");
                world.break_disk(false);
                world.crash(); // nothing is taken until haar starts anew
            }
            let name = format!("taken {number}");
            call::<PutLogEvents>(world, event(world, &name)).unwrap();
            taken.push(name);
            let unheard = event(world, &format!("unheard {number}"));
            let doors = world.process().doors.clone();
            world.run(async {
                tokio::spawn(async move {
                    let principal = haar_kernel::Principal::root(AccountId::default());
                    let input = serde_json::from_value(unheard).unwrap();
                    let region = Region::default();
                    let _ = doors.call::<PutLogEvents>(principal.into(), &region, input).await;
                });
            });
            world.crash_within(Duration::from_millis(25));
            let (counts, in_order) = found(world, "/app");
            assert!(in_order && counts.values().all(|count| *count == 1), "{counts:?}");
            assert!(!counts.contains_key("refused"), "{counts:?}");
            for name in &taken {
                assert!(counts.contains_key(name), "{name} is lost: {counts:?}");
            }
        }
    });
}

#[test]
fn lines_of_other_rooms_are_there_once_when_they_had_their_moment() {
    sim().check(|world| {
        let mut old = Vec::new();
        for number in 0..5 {
            let line = |name: &str| {
                let sink = world.process().doors.peeks.expect::<dyn LogSink>();
                let (account, region) = (AccountId::default(), Region::default());
                let line = LogLine { timestamp: world.now(), message: name.to_owned() };
                sink.append(&account, &region, "/aws/lambda/f", "s", vec![line]);
            };
            line(&format!("old {number}"));
            old.push(format!("old {number}"));
            world.run_for(Duration::from_millis(250));
            line(&format!("new {number}"));
            world.crash_within(Duration::from_millis(250));
            let (counts, _) = found(world, "/aws/lambda/f");
            assert!(counts.values().all(|count| *count == 1), "{counts:?}");
            assert!(old.iter().all(|name| counts.contains_key(name)), "{counts:?}");
        }
    });
}

#[test]
fn expired_events_go_and_others_stay_whatever_crashes() {
    sim().seeds(4).check(|world| {
        make_stream(world);
        let day = json!({ "logGroupName": "/app", "retentionInDays": 1 });
        call::<PutRetentionPolicy>(world, day).unwrap();
        for number in 0..5 {
            call::<PutLogEvents>(world, event(world, &format!("day {number}"))).unwrap();
            world.run_for(Duration::from_secs(23 * 3600));
            world.crash_within(Duration::from_secs(3600));
            let (counts, _) = found(world, "/app");
            assert!(counts.contains_key(&format!("day {number}")), "{counts:?}");
            assert!(counts.len() <= 3, "expired a day ago: {counts:?}");
        }
        call::<DeleteLogGroup>(world, json!({ "logGroupName": "/app" })).unwrap();
        world.crash_within(Duration::from_millis(20));
        make_stream(world);
        world.run_for(Duration::from_secs(60));
        assert_eq!(found(world, "/app").0, BTreeMap::new(), "a new group begins empty");
    });
}
