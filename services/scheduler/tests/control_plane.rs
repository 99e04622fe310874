//! Groups and schedules: made, shown, listed, refused.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use haar_scheduler_contract::{
    CreateSchedule, CreateScheduleGroup, DeleteSchedule, DeleteScheduleGroup, GetSchedule,
    GetScheduleGroup, ListScheduleGroups, ListSchedules, ListTagsForResource, TagResource,
    UntagResource,
};
use house::{BEGIN, House, schedule};
use serde_json::{Value, json};

fn names(listed: &Value, member: &str) -> Vec<String> {
    let all = listed[member].as_array().unwrap().iter();
    all.map(|one| one["Name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_schedule_is_shown_as_it_was_made() {
    let house = House::new();
    let input = schedule("s", "rate(5 minutes)", json!({"State": "DISABLED"}));
    let made = house.ok::<CreateSchedule>(input.clone()).await;
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s";
    assert_eq!(made["ScheduleArn"], arn);
    let shown = house.ok::<GetSchedule>(json!({"Name": "s"})).await;
    assert_eq!(shown["Arn"], arn);
    assert_eq!(shown["Target"], input["Target"]);
    assert_eq!(shown["GroupName"], "default");
    assert_eq!(shown["ScheduleExpressionTimezone"], "UTC");
    assert_eq!(
        (&shown["State"], &shown["ActionAfterCompletion"]),
        (&json!("DISABLED"), &json!("NONE"))
    );
    let again = house.call::<CreateSchedule>(input).await.unwrap_err();
    assert_eq!(again, ("ConflictException".to_owned(), "Schedule s already exists.".to_owned()));
    house.ok::<DeleteSchedule>(json!({"Name": "s"})).await;
    let gone = house.call::<GetSchedule>(json!({"Name": "s"})).await.unwrap_err();
    let text = "Schedule s does not exist.".to_owned();
    assert_eq!(gone, ("ResourceNotFoundException".to_owned(), text));
}

#[tokio::test]
async fn a_token_makes_a_retry_safe() {
    let house = House::new();
    let token = json!({"ClientToken": "t", "State": "DISABLED"});
    let first = house.ok::<CreateSchedule>(schedule("s", "rate(5 minutes)", token.clone())).await;
    let second = house.ok::<CreateSchedule>(schedule("s", "rate(5 minutes)", token)).await;
    assert_eq!(first, second);
    let other = json!({"ClientToken": "t", "State": "ENABLED"});
    let input = schedule("s", "rate(5 minutes)", other);
    assert_eq!(house.call::<CreateSchedule>(input).await.unwrap_err().0, "ConflictException");
}

#[tokio::test]
async fn a_schedule_reaches_resources_that_have_a_template() {
    let house = House::new();
    let of = |arn: &str| schedule("s", "rate(5 minutes)", json!({"Target": {"Arn": arn}}));
    for arn in ["api-destination/d/0", "rule/r"] {
        let input = of(&format!("arn:aws:events:us-east-1:000000000000:{arn}"));
        let refused = house.call::<CreateSchedule>(input).await.unwrap_err();
        let text = "Provided Arn is not in correct format.".to_owned();
        assert_eq!(refused, ("ValidationException".to_owned(), text), "{arn}");
    }
    house.ok::<CreateSchedule>(of("arn:aws:sns:us-east-1:000000000000:t")).await;
}

#[tokio::test]
async fn schedules_are_listed_by_group_state_and_name_in_pages() {
    let house = House::new();
    house.ok::<CreateScheduleGroup>(json!({"Name": "g"})).await;
    for n in 0..3 {
        let state = json!({"State": if n == 1 { "ENABLED" } else { "DISABLED" }});
        let cron = "cron(0 0 1 1 ? 2150)";
        house.ok::<CreateSchedule>(schedule(&format!("a{n}"), cron, state)).await;
        let there = json!({"GroupName": "g", "State": "DISABLED"});
        house.ok::<CreateSchedule>(schedule(&format!("b{n}"), cron, there)).await;
    }
    let list = async |input: Value| house.ok::<ListSchedules>(input).await;
    assert_eq!(names(&list(json!({"ScheduleGroup": "g"})).await, "Schedules"), ["b0", "b1", "b2"]);
    assert_eq!(names(&list(json!({"State": "ENABLED"})).await, "Schedules"), ["a1"]);
    assert_eq!(names(&list(json!({"NamePrefix": "b"})).await, "Schedules").len(), 3);
    let first = list(json!({"MaxResults": 4})).await;
    let rest = list(json!({"MaxResults": 4, "NextToken": first["NextToken"]})).await;
    assert_eq!(names(&first, "Schedules"), ["a0", "a1", "a2", "b0"]);
    assert_eq!(names(&rest, "Schedules"), ["b1", "b2"]);
    let bad = house.call::<ListSchedules>(json!({"NextToken": "x"})).await.unwrap_err();
    assert_eq!(bad.0, "ValidationException");

    house.ok::<DeleteScheduleGroup>(json!({"Name": "g"})).await;
    assert_eq!(names(&list(json!({})).await, "Schedules"), ["a0", "a1", "a2"]);
}

#[tokio::test]
async fn groups_have_tags_and_the_default_group_stays() {
    let house = House::new();
    let tags = json!([{"Key": "a", "Value": "1"}]);
    let made = house.ok::<CreateScheduleGroup>(json!({"Name": "g", "Tags": tags})).await;
    let arn = made["ScheduleGroupArn"].clone();
    let more = json!({"ResourceArn": arn, "Tags": [{"Key": "b", "Value": "2"}]});
    house.ok::<TagResource>(more).await;
    house.ok::<UntagResource>(json!({"ResourceArn": arn, "TagKeys": ["a"]})).await;
    let listed = house.ok::<ListTagsForResource>(json!({"ResourceArn": arn})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "b", "Value": "2"}]));
    let groups = house.ok::<ListScheduleGroups>(json!({})).await;
    assert_eq!(names(&groups, "ScheduleGroups"), ["default", "g"]);
    assert_eq!(house.ok::<GetScheduleGroup>(json!({"Name": "default"})).await["State"], "ACTIVE");
    let kept = house.call::<DeleteScheduleGroup>(json!({"Name": "default"})).await.unwrap_err();
    assert_eq!(kept.0, "ValidationException");
    let twice = house.call::<CreateScheduleGroup>(json!({"Name": "g"})).await.unwrap_err();
    assert_eq!(twice.0, "ConflictException");
}

#[tokio::test]
async fn what_no_schedule_may_be_is_refused() {
    let house = House::new();
    let refused = async |expression: &str, more: Value| {
        let input = schedule("s", expression, more);
        house.call::<CreateSchedule>(input).await.unwrap_err()
    };
    let rate = "rate(5 minutes)";
    let bad = refused("rate(5 weeks)", json!({})).await;
    let text = "Invalid Schedule Expression rate(5 weeks).".to_owned();
    assert_eq!(bad, ("ValidationException".to_owned(), text));
    let zone = json!({"ScheduleExpressionTimezone": "Mars/Olympus"});
    for more in [
        zone,
        json!({"EndDate": BEGIN.seconds() - 60}),
        json!({"StartDate": BEGIN.seconds() + 60, "EndDate": BEGIN.seconds() + 30}),
        json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}),
        json!({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 5}}),
        json!({"Target": {"Arn": "queue"}}),
        json!({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:s3:listBuckets"}}),
        json!({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:scheduler:flySchedule"}}),
        json!({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:foo:bar"}}),
        json!({"Target": {"Input": "x".repeat(256 * 1024 + 1)}}),
    ] {
        assert_eq!(refused(rate, more.clone()).await.0, "ValidationException", "{more}");
    }
    let early = refused(rate, json!({"StartDate": BEGIN.seconds() - 301})).await;
    assert_eq!(early.1, "The StartDate you specify cannot be earlier than 5 minutes ago.");
    let late = schedule("late", rate, json!({"StartDate": BEGIN.seconds() - 299}));
    house.ok::<CreateSchedule>(late).await;
    let nowhere = refused(rate, json!({"GroupName": "none"})).await;
    assert_eq!(nowhere.1, "Schedule group none does not exist.");
}
