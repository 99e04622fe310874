//! Archives keep events, replays send them again.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_events_contract::{
    CancelReplay, CreateArchive, DeleteArchive, DescribeArchive, DescribeReplay, ListArchives,
    StartReplay,
};
use house::{BEGIN, House, function, story};
use serde_json::{Value, json};

const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";
const ARCHIVE: &str = "arn:aws:events:us-east-1:000000000000:archive/a";

async fn archive(house: &House, more: Value) {
    let mut input = json!({"ArchiveName": "a", "EventSourceArn": BUS});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.ok::<CreateArchive>(input).await;
}

fn replay(name: &str, from: i64, until: i64, rules: &[&str]) -> Value {
    let arns: Vec<String> = rules
        .iter()
        .map(|rule| format!("arn:aws:events:us-east-1:000000000000:rule/{rule}"))
        .collect();
    json!({
        "ReplayName": name, "EventSourceArn": ARCHIVE,
        "EventStartTime": BEGIN.seconds() + from, "EventEndTime": BEGIN.seconds() + until,
        "Destination": {"Arn": BUS, "FilterArns": arns},
    })
}

#[test]
fn archived_events_are_replayed_to_the_rules_that_are_named() {
    story(async || {
        let house = House::new();
        archive(
            &house,
            json!({"EventPattern": "{\"detail\": {\"n\": [{\"numeric\": [\">\", 0]}]}}"}),
        )
        .await;
        for n in 0..250 {
            house.put(json!({"n": n})).await;
        }
        house.pass(Duration::from_secs(60)).await;
        house.put(json!({"n": 1_000})).await;
        let shown = house.ok::<DescribeArchive>(json!({"ArchiveName": "a"})).await;
        assert_eq!((&shown["EventCount"], &shown["State"]), (&json!(250), &json!("ENABLED")));

        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("wanted", rule.clone(), json!({})).await;
        house.rule("other", rule, json!({"Arn": function("never")})).await;
        house.ok::<StartReplay>(replay("r", -1, 30, &["wanted"])).await;
        house.pass(Duration::from_secs(10)).await;
        let bodies = house.functions.bodies();
        let numbers: Vec<_> =
            bodies.iter().map(|(_, event)| event["detail"]["n"].as_i64().unwrap()).collect();
        assert_eq!(numbers.len(), 249);
        assert!(bodies.iter().all(|(name, event)| name == "f" && event["replay-name"] == "r"));
        let shown = house.ok::<DescribeReplay>(json!({"ReplayName": "r"})).await;
        assert_eq!(shown["State"], "COMPLETED");
        let shown = house.ok::<DescribeArchive>(json!({"ArchiveName": "a"})).await;
        assert!(shown["SizeBytes"].as_i64().unwrap() > 250 * 200);
        assert_eq!(shown["EventCount"], 250, "replayed events are not archived again");
        let over = house.call::<CancelReplay>(json!({"ReplayName": "r"})).await.unwrap_err();
        assert_eq!(over.0, "IllegalStatusException");
    });
}

#[test]
fn events_leave_an_archive_by_their_age_and_with_it() {
    story(async || {
        let house = House::new();
        archive(&house, json!({"RetentionDays": 1})).await;
        house.put(json!({"n": 1})).await;
        house.pass(Duration::from_secs(20 * 3600)).await;
        house.put(json!({"n": 2})).await;
        house.pass(Duration::from_secs(12 * 3600)).await;
        let shown = house.ok::<DescribeArchive>(json!({"ArchiveName": "a"})).await;
        assert_eq!(shown["EventCount"], 1);
        // Another process counts on from what is on disk.
        let (ground, now) = (house.ground(), house.doors.clock.now());
        drop(house);
        let house = House::on(ground, now);
        house.put(json!({"n": 3})).await;
        let shown = house.ok::<DescribeArchive>(json!({"ArchiveName": "a"})).await;
        assert_eq!(shown["EventCount"], 2);
        house.ok::<DeleteArchive>(json!({"ArchiveName": "a"})).await;
        archive(&house, json!({})).await;
        let listed = house.ok::<ListArchives>(json!({"EventSourceArn": BUS})).await;
        assert_eq!(listed["Archives"][0]["EventCount"], 0);
    });
}

#[test]
fn what_no_replay_may_be_is_refused() {
    story(async || {
        let house = House::new();
        let missing = house.call::<StartReplay>(replay("r", 0, 60, &[])).await.unwrap_err();
        assert_eq!(missing.1, "Archive a does not exist.");
        archive(&house, json!({})).await;
        let backwards = house.call::<StartReplay>(replay("r", 60, 0, &[])).await.unwrap_err();
        assert_eq!(backwards.0, "ValidationException");
        let mut elsewhere = replay("r", 0, 60, &[]);
        elsewhere["Destination"]["Arn"] = json!(BUS.replace("default", "mine"));
        let elsewhere = house.call::<StartReplay>(elsewhere).await.unwrap_err();
        assert!(elsewhere.1.contains("Cross event bus replay"), "{elsewhere:?}");
        let again = json!({"ArchiveName": "a", "EventSourceArn": BUS});
        let again = house.call::<CreateArchive>(again).await.unwrap_err();
        assert_eq!(again.1, "Archive a already exists.");
    });
}
