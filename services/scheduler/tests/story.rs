//! Crashes at moments that a seed picks: no instant is skipped, none runs twice.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haar_scheduler_contract::CreateSchedule;
use haar_sim::Sim;
use haar_types::Timestamp;
use house::{Ground, House, Receiver, schedule, tables};
use serde_json::json;

/// Executions by schedule and instant: each has one id, however often it was delivered.
fn executions(receiver: &Receiver) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (_, body) in receiver.bodies() {
        let mut words = body.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap();
        let key = (word(), word());
        all.entry(key).or_default().insert(word());
    }
    all
}

#[test]
fn no_instant_is_skipped_and_none_runs_twice_whatever_crashes() {
    let outside = |_: &haar_clock::IdSource| Arc::<Receiver>::default();
    let sim = Sim::new(tables(), outside, |doors, receiver| {
        let ground = Ground {
            clock: doors.clock.clone(),
            ids: doors.ids.clone(),
            ledger: doors.ledger.clone(),
            kv: doors.kv.clone(),
        };
        House::on(ground, Arc::clone(receiver))
    });
    sim.check(|world| {
        let begin = world.now();
        let input = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> \
                     <aws.scheduler.execution-id>";
        let target = json!({"Target": {"Input": input}, "ActionAfterCompletion": "DELETE"});
        let minutes = |text: &str, name: &str| schedule(name, text, target.clone());
        for input in [
            minutes("rate(1 minutes)", "rate"),
            minutes("cron(0/2 * * * ? *)", "cron"),
            minutes("at(2026-01-31T09:37:00)", "once"),
        ] {
            world.run(world.process().ok::<CreateSchedule>(input));
        }
        while world.now() < begin + Duration::from_secs(15 * 60) {
            if world.draw(3) == 0 {
                world.outside.fail("ServiceException", true, 1);
            }
            world.crash_within(Duration::from_secs(50));
        }
        world.outside.answers.lock().clear();
        world.run_for(Duration::from_secs(30));

        let end = world.now();
        let instants = |from: Timestamp, step: u64| {
            let next = move |at: &Timestamp| Some(*at + Duration::from_secs(60 * step));
            let all = std::iter::successors(Some(from), next);
            all.take_while(move |at| *at <= end).map(|at| Timestamp(at.seconds() * 1000).iso())
        };
        let found = executions(&world.outside);
        assert!(found.values().all(|ids| ids.len() == 1), "an instant ran twice: {found:?}");
        let of = |name: &str| -> BTreeSet<String> {
            let named = |((arn, at), _): (&(String, String), _)| {
                arn.ends_with(&format!("/{name}")).then(|| at.clone())
            };
            found.iter().filter_map(named).collect()
        };
        let rate = of("rate");
        // The rate begins when its schedule was made: that may be some milliseconds later.
        let first = rate.first().unwrap().clone();
        assert!(first.starts_with("2026-01-31T09:30:0"), "{first}");
        let due = end.since(begin).as_secs() / 60 + 1;
        assert!(rate.len() as u64 == due || rate.len() as u64 == due - 1, "{rate:?}");
        let cron: BTreeSet<String> = instants(begin + Duration::from_secs(120), 2).collect();
        let (cron_found, first) = (of("cron"), begin.iso());
        let cron_found: BTreeSet<_> = cron_found.into_iter().filter(|at| *at != first).collect();
        assert_eq!(cron_found, cron);
        assert_eq!(of("once"), BTreeSet::from(["2026-01-31T09:37:00Z".to_owned()]));
        let left = world.process().ok::<haar_scheduler_contract::ListSchedules>(json!({}));
        let left = world.run(left);
        let names: Vec<_> =
            left["Schedules"].as_array().unwrap().iter().map(|one| &one["Name"]).collect();
        assert_eq!(names, ["cron", "rate"]);
    });
}
