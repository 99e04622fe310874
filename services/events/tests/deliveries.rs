//! Events on their way from a sender to targets.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_events_contract::events::ServiceEvent;
use haar_events_contract::{
    CreateEventBus, DeleteEventBus, DeleteRule, PutEvents, PutTargets, RemoveTargets,
};
use haar_types::{AccountId, Region};
use house::{House, function, queue, story};
use serde_json::json;

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn an_event_reaches_the_targets_of_the_rules_that_it_matches() {
    story(async || {
        let house = House::new();
        let pattern = json!({"source": ["shop"], "detail": {"n": [{"numeric": [">", 1]}]}});
        let rule = json!({"EventPattern": pattern.to_string()});
        house.rule("big", rule, json!({})).await;
        let other = json!({"EventPattern": "{\"source\": [\"other\"]}"});
        house.rule("other", other, json!({})).await;
        let disabled = json!({"EventPattern": "{\"source\": [\"shop\"]}", "State": "DISABLED"});
        house.rule("off", disabled, json!({"Arn": function("never")})).await;

        house.put(json!({"n": 1})).await;
        let put = house.put(json!({"n": 2})).await;
        house.pass(SHORT).await;
        let bodies = house.functions.bodies();
        assert_eq!(bodies.len(), 1);
        let (name, event) = &bodies[0];
        assert_eq!((name.as_str(), &event["id"]), ("f", &put["Entries"][0]["EventId"]));
        assert_eq!(event["detail"], json!({"n": 2}));
        assert_eq!(event["detail-type"], "order");
        assert_eq!(event["time"], "2027-01-15T08:00:00Z");
    });
}

#[test]
fn targets_get_constants_parts_and_what_templates_make() {
    story(async || {
        let house = House::new();
        let pattern = || json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("constant", pattern(), json!({"Arn": function("c"), "Input": "[1]"})).await;
        house.rule("part", pattern(), json!({"Arn": function("p"), "InputPath": "$.detail"})).await;
        let transformer = json!({
            "InputPathsMap": {"n": "$.detail.n"},
            "InputTemplate": "{\"got\": <n>, \"by\": <aws.events.rule-name>}",
        });
        let target = json!({"Arn": function("t"), "InputTransformer": transformer});
        house.rule("template", pattern(), target).await;
        house.put(json!({"n": 5})).await;
        house.pass(SHORT).await;
        let mut bodies = house.functions.bodies();
        bodies.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(
            bodies,
            [
                ("c".to_owned(), json!([1])),
                ("p".to_owned(), json!({"n": 5})),
                ("t".to_owned(), json!({"got": 5, "by": "template"})),
            ]
        );
    });
}

#[test]
fn entries_fail_one_by_one() {
    story(async || {
        let house = House::new();
        let rule = json!({"EventPattern": "{\"source\": [{\"prefix\": \"\"}]}"});
        house.rule("all", rule, json!({})).await;
        let good = json!({"Source": "s", "DetailType": "d", "Detail": "{}"});
        let with = |name: &str, value: &str| {
            let mut entry = good.clone();
            entry[name] = json!(value);
            entry
        };
        let entries = [
            good.clone(),
            with("Detail", "[]"),
            with("Source", "aws.s3"),
            json!({"Source": "s", "DetailType": "d"}),
            with("EventBusName", "nobody-has-it"),
        ];
        let answer = house.ok::<PutEvents>(json!({"Entries": entries})).await;
        assert_eq!(answer["FailedEntryCount"], 3);
        let codes: Vec<_> = (0..5).map(|n| answer["Entries"][n]["ErrorCode"].clone()).collect();
        let expected =
            json!([null, "MalformedDetail", "NotAuthorizedForSource", "InvalidArgument", null]);
        assert_eq!(json!(codes), expected);
        house.pass(SHORT).await;
        assert_eq!(house.functions.bodies().len(), 1);

        let huge = with("Detail", &json!({"x": "y".repeat(1024 * 1024)}).to_string());
        let refused = house.call::<PutEvents>(json!({"Entries": [huge]})).await.unwrap_err();
        assert_eq!(refused.0, "ValidationException");
    });
}

#[test]
fn what_passes_is_retried_and_what_lasts_goes_to_the_dead_letters() {
    story(async || {
        let house = House::new();
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        let target = json!({
            "DeadLetterConfig": {"Arn": queue("dead")},
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
        });
        house.rule("r", rule, target).await;

        house.functions.fail("ServiceException", true, 2);
        house.put(json!({"n": 1})).await;
        house.pass(Duration::from_secs(10)).await;
        assert_eq!(house.functions.bodies().len(), 1, "the third attempt arrives");
        assert!(house.queues.got.lock().is_empty());

        house.functions.fail("ServiceException", true, 3);
        house.put(json!({"n": 2})).await;
        house.pass(Duration::from_secs(60)).await;
        house.functions.fail("ResourceNotFoundException", false, 1);
        house.put(json!({"n": 3})).await;
        house.pass(SHORT).await;
        assert_eq!(house.functions.bodies().len(), 1);
        let dead = house.queues.got.lock().clone();
        let attribute = |letter: usize, name: &str| {
            let all = &dead[letter].attributes;
            all.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
        };
        assert_eq!(dead.len(), 2);
        assert_eq!(house.queues.bodies()[0].1["detail"], json!({"n": 2}));
        let limit = attribute(0, "EXHAUSTED_RETRY_CONDITION");
        assert_eq!(limit.as_deref(), Some("MaximumRetryAttempts"));
        assert_eq!(attribute(0, "RETRY_ATTEMPTS").as_deref(), Some("2"));
        assert_eq!(attribute(1, "ERROR_CODE").as_deref(), Some("NO_RESOURCE"));
        assert_eq!(attribute(1, "EXHAUSTED_RETRY_CONDITION"), None);
        assert_eq!(attribute(1, "TARGET_ARN"), Some(function("f")));
        let rule_arn = attribute(1, "RULE_ARN");
        assert_eq!(rule_arn.as_deref(), Some("arn:aws:events:us-east-1:000000000000:rule/r"));
    });
}

#[test]
fn a_dead_letter_that_its_queue_refuses_for_the_moment_is_not_lost() {
    story(async || {
        let house = House::new();
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("r", rule, json!({"DeadLetterConfig": {"Arn": queue("dead")}})).await;
        house.functions.fail("ResourceNotFoundException", false, 1);
        house.queues.fail("ServiceUnavailable", true, 2);
        house.put(json!({"n": 1})).await;
        house.pass(Duration::from_secs(10)).await;
        assert_eq!(house.queues.bodies().len(), 1);
        assert!(house.functions.bodies().is_empty(), "a target is not called for a dead letter");
        let letter = house.queues.got.lock()[0].clone();
        let code = ("ERROR_CODE".to_owned(), "NO_RESOURCE".to_owned());
        assert!(letter.attributes.contains(&code), "{:?}", letter.attributes);

        house.functions.fail("ResourceNotFoundException", false, 1);
        house.queues.fail("AWS.SimpleQueueService.NonExistentQueue", false, 1);
        house.put(json!({"n": 2})).await;
        house.pass(Duration::from_secs(3600)).await;
        assert_eq!(house.queues.bodies().len(), 1, "what is refused for good is given up");
        assert!(house.functions.bodies().is_empty());
    });
}

#[test]
fn a_queue_has_the_event_before_its_sender_is_answered_or_is_tried_again() {
    story(async || {
        let house = House::new();
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        let target = json!({
            "Arn": queue("q"), "DeadLetterConfig": {"Arn": queue("dead")},
            "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 3600},
        });
        house.rule("r", rule, target).await;
        house.put(json!({"n": 1})).await;
        assert_eq!(house.queues.bodies()[0].1["detail"], json!({"n": 1}));

        house.queues.fail("ServiceUnavailable", true, 1);
        house.put(json!({"n": 2})).await;
        assert_eq!(house.queues.bodies().len(), 1, "it waits for its next attempt");
        house.pass(Duration::from_secs(10)).await;
        assert_eq!(house.queues.bodies()[1].1["detail"], json!({"n": 2}));
        house.queues.got.lock().clear();

        // The second attempt is the last one.
        house.queues.fail("ServiceUnavailable", true, 2);
        house.put(json!({"n": 3})).await;
        house.pass(Duration::from_secs(60)).await;
        house.queues.fail("AWS.SimpleQueueService.NonExistentQueue", false, 1);
        house.put(json!({"n": 4})).await;
        let got = house.queues.bodies();
        let names: Vec<_> =
            got.iter().map(|(name, body)| (name.as_str(), &body["detail"]["n"])).collect();
        assert_eq!(names, [("dead", &json!(3)), ("dead", &json!(4))]);
    });
}

#[test]
fn a_target_that_hangs_keeps_neither_senders_nor_other_rules_waiting() {
    story(async || {
        let house = House::new();
        *house.functions.hanging.lock() = Some("hangs".to_owned());
        let rule = || json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("hangs", rule(), json!({"Arn": function("hangs")})).await;
        house.rule("answers", rule(), json!({"Arn": function("answers")})).await;
        house.rule("queued", rule(), json!({"Arn": queue("q")})).await;
        for n in 0..200 {
            house.put(json!({"n": n})).await;
        }
        house.pass(Duration::from_secs(10)).await;
        let bodies = house.functions.bodies();
        assert!(bodies.iter().all(|(name, _)| name == "answers"));
        assert_eq!((bodies.len(), house.queues.bodies().len()), (200, 200));
    });
}

#[test]
fn an_event_goes_on_to_another_bus_and_no_further() {
    story(async || {
        let house = House::new();
        for name in ["second", "third"] {
            house.ok::<CreateEventBus>(json!({"Name": name})).await;
        }
        let bus = |name: &str| format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}");
        let pattern = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        let on = |name: &str| {
            let mut rule = pattern.clone();
            rule["EventBusName"] = json!(name);
            rule
        };
        house.rule("first", on("default"), json!({"Arn": bus("second")})).await;
        house.rule("hear", on("second"), json!({"Arn": function("second")})).await;
        house.rule("on", on("second"), json!({"Arn": bus("third")})).await;
        house.rule("far", on("third"), json!({"Arn": function("third")})).await;
        let put = house.put(json!({})).await;
        house.pass(Duration::from_secs(1)).await;
        let bodies = house.functions.bodies();
        assert_eq!(bodies.len(), 1);
        assert_eq!(
            (bodies[0].0.as_str(), &bodies[0].1["id"]),
            ("second", &put["Entries"][0]["EventId"])
        );
    });
}

#[test]
fn a_bus_that_was_made_anew_matches_by_its_own_rules() {
    story(async || {
        let house = House::new();
        let on = |source: &str| {
            let pattern = json!({"source": [source]}).to_string();
            json!({"EventPattern": pattern, "EventBusName": "again"})
        };
        let put = async |source: &str| {
            let entry = json!({
                "Source": source, "DetailType": "d", "Detail": "{}", "EventBusName": "again"
            });
            house.ok::<PutEvents>(json!({"Entries": [entry]})).await;
            house.pass(SHORT).await;
        };
        let names = || {
            let bodies = house.functions.bodies().into_iter();
            bodies.map(|(name, body)| format!("{name} {}", body["source"])).collect::<Vec<_>>()
        };
        for (round, source) in [("first", "a"), ("second", "b")] {
            house.ok::<CreateEventBus>(json!({"Name": "again"})).await;
            for source in ["a", "b"] {
                put(source).await; // nothing listens yet
            }
            house.rule("r", on(source), json!({"Arn": function(round)})).await;
            for source in ["a", "b"] {
                put(source).await;
            }
            let of_rule = json!({"Rule": "r", "EventBusName": "again", "Ids": ["1"]});
            house.ok::<RemoveTargets>(of_rule).await;
            house.ok::<DeleteRule>(json!({"Name": "r", "EventBusName": "again"})).await;
            house.ok::<DeleteEventBus>(json!({"Name": "again"})).await;
            put(source).await; // to a bus that is not there
        }
        assert_eq!(names(), ["first \"a\"", "second \"b\""]);
    });
}

#[test]
fn what_was_acknowledged_is_delivered_after_a_restart() {
    story(async || {
        let house = House::new();
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("r", rule, json!({})).await;
        house.functions.fail("ServiceException", true, 1);
        house.put(json!({"n": 1})).await;
        let (ground, now) = (house.ground(), house.doors.clock.now());
        drop(house);
        let house = House::on(ground, now);
        house.pass(Duration::from_secs(5)).await;
        assert_eq!(house.functions.bodies().len(), 1);
    });
}

#[test]
fn events_of_services_leave_nothing_where_no_rule_and_no_archive_looks() {
    story(async || {
        let house = House::new();
        let timer = json!({"ScheduleExpression": "rate(1 hour)"});
        house.rule("timer", timer, json!({})).await;
        let off = json!({"EventPattern": "{\"source\": [\"aws.ecs\"]}", "State": "DISABLED"});
        house.rule("off", off, json!({})).await;
        let waiting = || {
            let counts = house.doors.ledger.snapshot().row_counts();
            counts.into_iter().find(|(table, _)| *table == "kernel.told").map(|(_, count)| count)
        };
        tell(&house).await;
        assert_eq!(waiting(), Some(0));
        let on = json!({"EventPattern": "{\"source\": [\"aws.ecs\"]}"});
        house.rule("on", on, json!({})).await;
        house.pass(Duration::from_secs(1)).await;
        assert_eq!(house.functions.bodies().len(), 0);
        tell(&house).await;
        house.pass(Duration::from_secs(1)).await;
        assert_eq!(house.functions.bodies().len(), 1);
    });
}

/// Tells that a task has stopped.
async fn tell(house: &House) {
    let event = ServiceEvent {
        account: AccountId::default(),
        region: Region::default(),
        source: "aws.ecs".to_owned(),
        detail_type: "ECS Task State Change".to_owned(),
        resources: vec!["arn:task".to_owned()],
        detail: json!({"lastStatus": "STOPPED"}).to_string(),
    };
    let now = house.doors.clock.now();
    let told = house.doors.ledger.write(|tx| house.doors.outbox.tell(tx, now, &event));
    told.durable().await.unwrap();
}

#[test]
fn events_of_services_come_onto_the_default_bus() {
    story(async || {
        let house = House::new();
        let pattern = json!({"source": ["aws.ecs"], "detail": {"lastStatus": ["STOPPED"]}});
        house.rule("stops", json!({"EventPattern": pattern.to_string()}), json!({})).await;
        tell(&house).await;
        house.pass(Duration::from_secs(1)).await;
        let bodies = house.functions.bodies();
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0].1["detail-type"], "ECS Task State Change");
        assert_eq!(bodies[0].1["resources"], json!(["arn:task"]));
    });
}

#[test]
fn a_fifo_queue_gets_its_group() {
    story(async || {
        let house = House::new();
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        let target = json!({
            "Arn": queue("q.fifo"), "SqsParameters": {"MessageGroupId": "g"},
        });
        house.rule("r", rule, target).await;
        house.put(json!({})).await;
        house.pass(SHORT).await;
        assert_eq!(house.queues.got.lock()[0].group.as_deref(), Some("g"));
        let target = json!({"Id": "2", "Arn": queue("q.fifo")});
        let refused = house.call::<PutTargets>(json!({"Rule": "r", "Targets": [target]})).await;
        assert_eq!(refused.unwrap_err().0, "ValidationException");
    });
}
