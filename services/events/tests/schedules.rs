//! Rules that send by themselves.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_events_contract::{DisableRule, EnableRule, PutRule};
use haar_types::Timestamp;
use house::{BEGIN, House, story};
use serde_json::json;

fn times(house: &House) -> Vec<String> {
    let bodies = house.functions.bodies();
    bodies.iter().map(|(_, event)| event["time"].as_str().unwrap()[11..].to_owned()).collect()
}

#[test]
fn a_rate_sends_a_period_after_it_was_put_and_each_period_from_then_on() {
    story(async || {
        let house = House::new();
        house.rule("r", json!({"ScheduleExpression": "rate(5 minutes)"}), json!({})).await;
        house.pass(Duration::from_secs(299)).await;
        assert!(times(&house).is_empty());
        house.pass(Duration::from_secs(602)).await;
        assert_eq!(times(&house), ["08:05:00Z", "08:10:00Z", "08:15:00Z"]);
        let (_, event) = &house.functions.bodies()[0];
        assert_eq!(
            (&event["source"], &event["detail-type"]),
            (&json!("aws.events"), &json!("Scheduled Event"))
        );
        assert_eq!(event["resources"], json!(["arn:aws:events:us-east-1:000000000000:rule/r"]));
        assert_eq!(event["detail"], json!({}));
    });
}

#[test]
fn a_cron_expression_sends_at_its_times_until_it_is_disabled() {
    story(async || {
        let house = House::new();
        let rule = json!({"ScheduleExpression": "cron(0/30 9 * * ? *)"});
        house.rule("r", rule, json!({})).await;
        house.pass(Duration::from_secs(2 * 3600)).await;
        assert_eq!(times(&house), ["09:00:00Z", "09:30:00Z"]);
        house.ok::<DisableRule>(json!({"Name": "r"})).await;
        house.pass(Duration::from_secs(24 * 3600)).await;
        assert_eq!(times(&house).len(), 2);
        house.ok::<EnableRule>(json!({"Name": "r"})).await;
        house.pass(Duration::from_secs(24 * 3600)).await;
        assert_eq!(times(&house).len(), 4);
    });
}

#[test]
fn an_instant_is_sent_once_across_restarts_and_what_was_missed_is_made_up_for_once() {
    story(async || {
        let mut house = House::new();
        house.rule("r", json!({"ScheduleExpression": "rate(1 minute)"}), json!({})).await;
        let mut all = Vec::new();
        // Restarts at odd moments, each time at once.
        for seconds in [61, 59, 1, 45, 14, 120, 30] {
            house.pass(Duration::from_secs(seconds)).await;
            all.extend(times(&house));
            house = House::on(house.ground(), house.doors.clock.now());
        }
        house.pass(Duration::from_millis(1)).await;
        all.extend(times(&house));
        let minutes: Vec<String> = (1..=5).map(|n| format!("08:0{n}:00Z")).collect();
        assert_eq!(all, minutes);

        // Away for ten minutes and a half.
        let now = house.doors.clock.now() + Duration::from_secs(630);
        let house = House::on(house.ground(), now);
        house.pass(Duration::from_millis(1)).await;
        assert_eq!(times(&house), ["08:16:00Z"]);
        house.pass(Duration::from_secs(60)).await;
        assert_eq!(times(&house), ["08:16:00Z", "08:17:00Z"]);
        assert!(house.doors.clock.now() > Timestamp(BEGIN.0 + 17 * 60_000));
    });
}

#[test]
fn a_rule_that_is_put_again_keeps_its_rhythm_unless_its_schedule_changes() {
    story(async || {
        let house = House::new();
        let rate = |text: &str| json!({"ScheduleExpression": text});
        house.rule("r", rate("rate(2 minutes)"), json!({})).await;
        house.pass(Duration::from_secs(90)).await;
        let same =
            json!({"Name": "r", "ScheduleExpression": "rate(2 minutes)", "Description": "x"});
        house.ok::<PutRule>(same).await;
        house.pass(Duration::from_secs(60)).await;
        assert_eq!(times(&house), ["08:02:00Z"]);
        let other = json!({"Name": "r", "ScheduleExpression": "rate(3 minutes)"});
        house.ok::<PutRule>(other).await;
        house.pass(Duration::from_secs(181)).await;
        assert_eq!(times(&house), ["08:02:00Z", "08:05:30Z"]);
    });
}
