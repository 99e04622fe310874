//! When schedules run, and what reaches their targets.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use haar_scheduler_contract::{
    CreateSchedule, CreateScheduleGroup, GetSchedule, ListSchedules, UpdateSchedule,
};
use house::{BEGIN, Ground, House, schedule};
use serde_json::{Value, json};

/// The times that reached the function, without the date.
fn times(house: &House) -> Vec<String> {
    house.receiver.bodies().into_iter().map(|(_, time)| time[11..].to_owned()).collect()
}

async fn create(house: &House, name: &str, expression: &str, more: Value) {
    house.ok::<CreateSchedule>(schedule(name, expression, more)).await;
}

const GONE: &str = "ResourceNotFoundException";
const MOMENT: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_rate_begins_at_once_or_at_its_start_date() {
    let house = House::new();
    create(&house, "now", "rate(5 minutes)", json!({})).await;
    house.pass(MOMENT).await;
    assert_eq!(times(&house), ["08:00:00Z"]);
    house.pass(Duration::from_secs(600)).await;
    assert_eq!(times(&house), ["08:00:00Z", "08:05:00Z", "08:10:00Z"]);

    let house = House::new();
    let start = BEGIN.seconds() + 90;
    let end = BEGIN.seconds() + 90 + 120;
    create(&house, "later", "rate(1 minutes)", json!({"StartDate": start, "EndDate": end})).await;
    house.pass(Duration::from_secs(3600)).await;
    assert_eq!(times(&house), ["08:01:30Z", "08:02:30Z", "08:03:30Z"]);
}

#[tokio::test(start_paused = true)]
async fn a_cron_expression_is_read_in_its_time_zone() {
    let house = House::new();
    let zone = json!({"ScheduleExpressionTimezone": "Europe/Berlin"});
    create(&house, "morning", "cron(30 9 * * ? *)", zone).await;
    house.pass(Duration::from_secs(25 * 3600)).await;
    assert_eq!(times(&house), ["08:30:00Z", "08:30:00Z"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_once_is_deleted_then_where_that_is_asked_for() {
    let house = House::new();
    let delete = json!({"ActionAfterCompletion": "DELETE"});
    create(&house, "gone", "at(2027-01-15T08:01:00)", delete).await;
    create(&house, "kept", "at(2027-01-15T08:01:00)", json!({})).await;
    create(&house, "past", "at(2020-01-01T00:00:00)", json!({})).await;
    house.pass(Duration::from_secs(59)).await;
    assert!(times(&house).is_empty());
    house.pass(Duration::from_secs(10)).await;
    assert_eq!(times(&house), ["08:01:00Z", "08:01:00Z"]);
    let listed = house.ok::<ListSchedules>(json!({})).await;
    let names: Vec<_> =
        listed["Schedules"].as_array().unwrap().iter().map(|one| &one["Name"]).collect();
    assert_eq!(names, ["kept", "past"]);
    house.pass(Duration::from_secs(24 * 3600)).await;
    assert_eq!(times(&house).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_what_has_completed_runs_it_anew_or_deletes_it() {
    let house = House::new();
    let delete = json!({"ActionAfterCompletion": "DELETE"});
    let update = |name: &str, text: &str| schedule(name, text, delete.clone());
    for name in ["done", "anew", "rests"] {
        create(&house, name, "at(2027-01-15T08:01:00)", json!({})).await;
    }
    house.pass(Duration::from_secs(90)).await;
    house.ok::<UpdateSchedule>(update("done", "at(2027-01-15T08:01:00)")).await;
    house.ok::<UpdateSchedule>(update("anew", "at(2027-01-15T08:02:00)")).await;
    house.pass(MOMENT).await;
    assert_eq!(house.call::<GetSchedule>(json!({"Name": "done"})).await.unwrap_err().0, GONE);
    house.ok::<GetSchedule>(json!({"Name": "anew"})).await;
    house.pass(Duration::from_secs(60)).await;
    assert_eq!(times(&house), ["08:01:00Z", "08:01:00Z", "08:01:00Z", "08:02:00Z"]);
    assert_eq!(house.call::<GetSchedule>(json!({"Name": "anew"})).await.unwrap_err().0, GONE);
    house.ok::<GetSchedule>(json!({"Name": "rests"})).await;
}

#[tokio::test(start_paused = true)]
async fn a_window_delays_and_a_disabled_schedule_rests() {
    let house = House::new();
    let window = json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10}});
    create(&house, "some-time", "at(2027-01-15T09:00:00)", window).await;
    house.pass(Duration::from_secs(3599)).await;
    assert!(times(&house).is_empty());
    house.pass(Duration::from_secs(601)).await;
    assert_eq!(times(&house), ["09:00:00Z"]);

    let house = House::new();
    create(&house, "r", "rate(1 minutes)", json!({"State": "DISABLED"})).await;
    house.pass(Duration::from_secs(600)).await;
    assert!(times(&house).is_empty());
    let enabled = schedule("r", "rate(1 minutes)", json!({"State": "ENABLED"}));
    house.ok::<UpdateSchedule>(enabled).await;
    house.pass(Duration::from_secs(30)).await;
    assert_eq!(times(&house), ["08:10:00Z"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_the_target_keeps_the_rhythm() {
    let house = House::new();
    create(&house, "r", "rate(2 minutes)", json!({})).await;
    house.pass(Duration::from_secs(90)).await;
    let again = schedule("r", "rate(2 minutes)", json!({"Description": "new"}));
    house.ok::<UpdateSchedule>(again).await;
    house.pass(Duration::from_secs(60)).await;
    assert_eq!(times(&house), ["08:00:00Z", "08:02:00Z"]);
    assert_eq!(house.ok::<GetSchedule>(json!({"Name": "r"})).await["Description"], "new");
    house.ok::<UpdateSchedule>(schedule("r", "rate(3 minutes)", json!({}))).await;
    house.pass(MOMENT).await;
    assert_eq!(times(&house), ["08:00:00Z", "08:02:00Z", "08:02:30Z"]);
}

#[tokio::test(start_paused = true)]
async fn targets_get_what_their_kind_has_a_place_for() {
    let house = House::new();
    let once = "at(2027-01-15T08:00:10)";
    let target = |target: Value| json!({"Target": target});
    let queue = target(json!({
        "Arn": "arn:aws:sqs:us-east-1:000000000000:q.fifo",
        "SqsParameters": {"MessageGroupId": "g"},
        "Input": "<aws.scheduler.schedule-arn> <aws.scheduler.attempt-number>",
    }));
    create(&house, "queue", once, queue).await;
    let bus = target(json!({
        "Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default",
        "EventBridgeParameters": {"DetailType": "d", "Source": "s"},
        "Input": "{}",
    }));
    create(&house, "bus", once, bus).await;
    let mut task = schedule(
        "task",
        once,
        target(json!({
            "Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c",
            "EcsParameters": {"TaskDefinitionArn": "arn:task"},
        })),
    );
    task["Target"].as_object_mut().unwrap().remove("Input");
    house.ok::<CreateSchedule>(task).await;
    house.pass(Duration::from_secs(11)).await;
    let got = house.receiver.got.lock().clone();
    let of = |part: &str| got.iter().find(|one| one.arn.contains(part)).unwrap();
    assert_eq!(of(":sqs:").group.as_deref(), Some("g"));
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/queue";
    assert_eq!(of(":sqs:").body, format!("{arn} 1"));
    assert_eq!(of(":events:").parameters, Some(json!({"DetailType": "d", "Source": "s"})));
    let task = of(":ecs:");
    assert!(task.body.is_empty());
    let parameters = task.parameters.clone().unwrap();
    assert_eq!(parameters["StartedBy"], "chronos-schedule/task");
    assert_eq!(parameters["TaskDefinitionArn"], "arn:task");
}

#[tokio::test(start_paused = true)]
async fn a_universal_target_is_an_operation_called_with_its_input() {
    let house = House::new();
    let input = json!({
        "Name": "made-by-a-schedule", "Tags": [{"Key": "at", "Value": "<aws.scheduler.scheduled-time>"}],
    });
    let target = json!({"Target": {
        "Arn": "arn:aws:scheduler:::aws-sdk:scheduler:createScheduleGroup",
        "Input": input.to_string(),
    }});
    create(&house, "makes-a-group", "at(2027-01-15T08:00:10)", target).await;
    house.pass(Duration::from_secs(11)).await;
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/made-by-a-schedule";
    let tags = json!({"ResourceArn": arn});
    let tags = house.ok::<haar_scheduler_contract::ListTagsForResource>(tags).await;
    assert_eq!(tags["Tags"][0]["Value"], "2027-01-15T08:00:10Z");
}

#[tokio::test(start_paused = true)]
async fn operations_that_one_group_calls_keep_no_other_groups_waiting() {
    let house = House::new();
    house.ok::<CreateScheduleGroup>(json!({"Name": "slow"})).await;
    let sends = |group: &str, body: &str| {
        let input = json!({"QueueUrl": "http://localhost/000000000000/q", "MessageBody": body});
        let target = json!({
            "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Input": input.to_string(),
        });
        json!({"GroupName": group, "Target": target})
    };
    for number in 0..70 {
        let more = sends("slow", "hang");
        create(&house, &format!("s{number}"), "at(2027-01-15T08:00:10)", more).await;
    }
    create(&house, "quick", "at(2027-01-15T08:00:20)", sends("default", "taken")).await;
    house.pass(Duration::from_secs(30)).await;
    let sent = house.queues.0.lock().clone();
    assert_eq!(sent.iter().filter(|body| *body == "hang").count(), 64);
    assert_eq!(sent.last().unwrap(), "taken");
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_then_given_to_the_dead_letter_queue() {
    let house = House::new();
    let target = json!({"Target": {
        "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 600},
        "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:dead"},
    }});
    house.receiver.fail("ServiceException", true, 2);
    create(&house, "fails", "at(2027-01-15T08:00:10)", target).await;
    house.pass(Duration::from_secs(60)).await;
    let got = house.receiver.got.lock().clone();
    assert_eq!(got.len(), 1);
    assert!(got[0].arn.ends_with(":dead"));
    assert_eq!(got[0].body, "2027-01-15T08:00:10Z");
    let attribute = |name: &str| {
        let found = got[0].attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(attribute("ERROR_CODE"), Some("ServiceException"));
    assert_eq!(attribute("EXHAUSTED_RETRY_CONDITION"), Some("MaximumRetryAttempts"));
    assert_eq!(attribute("RETRY_ATTEMPTS"), Some("1"));
    assert_eq!(attribute("SCHEDULED_TIME"), Some("2027-01-15T08:00:10Z"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_its_queue_refuses_for_the_moment_is_not_lost() {
    let house = House::new();
    let dead = "arn:aws:sqs:us-east-1:000000000000:dead";
    // the target, which comes last here, then its queue, which alone is asked again
    house.receiver.fail("ServiceUnavailable", true, 2);
    house.receiver.fail("ResourceNotFoundException", false, 1);
    let target = json!({"Target": {"DeadLetterConfig": {"Arn": dead}}});
    create(&house, "fails", "at(2027-01-15T08:00:10)", target).await;
    house.pass(Duration::from_secs(60)).await;
    let got: Vec<String> = house.receiver.got.lock().iter().map(|it| it.arn.clone()).collect();
    assert_eq!(got, [dead]);
    let letter = house.receiver.got.lock()[0].clone();
    let attribute = |name: &str| {
        let found = letter.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(attribute("ERROR_CODE"), Some("ResourceNotFoundException"));
    assert_eq!(attribute("RETRY_ATTEMPTS"), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_of_the_same_minute_run_once_each() {
    let house = House::new();
    for n in 0..10_000 {
        let input = json!({"Target": {"Input": n.to_string()}});
        create(&house, &format!("s{n}"), "at(2027-01-15T08:30:00)", input).await;
    }
    house.pass(Duration::from_secs(29 * 60)).await;
    assert_eq!(house.receiver.got.lock().len(), 0);
    house.pass(Duration::from_secs(62)).await;
    let mut got: Vec<u32> =
        house.receiver.bodies().iter().map(|(_, body)| body.parse().unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_came_due_while_nobody_was_there_run_once_each_when_somebody_is() {
    let house = House::new();
    let told = json!({"Target": {
        "Input": "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time>",
    }});
    for n in 0..10_000 {
        let text = match n % 2 {
            0 => "at(2027-01-15T08:30:00)",
            _ => "rate(5 minutes)",
        };
        let mut input = told.clone();
        input["StartDate"] = json!(BEGIN.seconds() + 600);
        create(&house, &format!("s{n}"), text, input).await;
    }
    let ground = house.ground();
    drop(house);
    // Two hours and a bit later.
    let away = Duration::from_secs(2 * 3600 + 90);
    let ground = Ground { clock: Clock::simulated(ground.clock.now() + away), ..ground };
    let house = House::on(ground, Arc::default());
    house.pass(Duration::from_secs(30)).await;
    let mut runs = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (_, body) in house.receiver.bodies() {
        let (arn, at) = body.split_once(' ').unwrap();
        runs.entry(arn.to_owned()).or_default().push(at.to_owned());
    }
    assert_eq!(runs.len(), 10_000);
    for (arn, times) in &runs {
        let number: u32 = arn.rsplit_once("/s").unwrap().1.parse().unwrap();
        let expected = match number % 2 {
            0 => "2027-01-15T08:30:00Z",
            _ => "2027-01-15T10:00:00Z",
        };
        assert_eq!(times, &[expected], "{arn}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_keeps_only_its_own_executions_waiting() {
    let house = House::new();
    *house.receiver.hanging.lock() = Some("hangs".to_owned());
    let target = |name: &str| json!({"Target": {"Arn": format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")}});
    for n in 0..500 {
        create(&house, &format!("h{n}"), "at(2027-01-15T08:00:10)", target("hangs")).await;
        create(&house, &format!("f{n}"), "at(2027-01-15T08:00:10)", target("answers")).await;
    }
    house.pass(Duration::from_secs(20)).await;
    let bodies = house.receiver.bodies();
    assert_eq!(bodies.len(), 500);
    assert!(bodies.iter().all(|(name, _)| name == "answers"));
}
