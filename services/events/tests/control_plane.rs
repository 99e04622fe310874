//! Buses, rules, targets, permissions, tags.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use haar_events_contract::{
    CreateEventBus, DeleteEventBus, DeleteRule, DescribeEventBus, DescribeRule, ListEventBuses,
    ListRuleNamesByTarget, ListRules, ListTagsForResource, ListTargetsByRule, PutPermission,
    PutRule, PutTargets, RemovePermission, RemoveTargets, TagResource, TestEventPattern,
    UntagResource, UpdateEventBus,
};
use house::{House, function, story};
use serde_json::{Value, json};

fn code(answer: Result<Value, house::Refused>) -> String {
    answer.unwrap_err().0
}

const PATTERN: &str = "{\"source\": [\"shop\"]}";

#[test]
fn buses_are_made_listed_and_deleted_once_they_are_empty() {
    story(async || {
        let house = House::new();
        let made = house.ok::<CreateEventBus>(json!({"Name": "mine", "Description": "d"})).await;
        assert_eq!(made["EventBusArn"], "arn:aws:events:us-east-1:000000000000:event-bus/mine");
        let again = house.call::<CreateEventBus>(json!({"Name": "mine"})).await;
        let text = "Event bus mine already exists.".to_owned();
        assert_eq!(again.unwrap_err(), ("ResourceAlreadyExistsException".to_owned(), text));
        let taken = house.call::<CreateEventBus>(json!({"Name": "default"})).await;
        assert_eq!(code(taken), "ResourceAlreadyExistsException");
        let listed = house.ok::<ListEventBuses>(json!({})).await;
        let names: Vec<_> =
            listed["EventBuses"].as_array().unwrap().iter().map(|b| &b["Name"]).collect();
        assert_eq!(names, ["default", "mine"]);
        let first = house.ok::<ListEventBuses>(json!({"Limit": 1})).await;
        assert_eq!(first["EventBuses"][0]["Name"], "default");
        let next = json!({"Limit": 1, "NextToken": first["NextToken"]});
        let second = house.ok::<ListEventBuses>(next).await;
        assert_eq!(second["EventBuses"][0]["Name"], "mine");
        assert_eq!(second.get("NextToken"), None);
        let foreign = house.call::<ListEventBuses>(json!({"NextToken": "x"})).await;
        assert_eq!(code(foreign), "ValidationException");
        house.ok::<UpdateEventBus>(json!({"Name": "mine", "Description": "e"})).await;
        let shown = house.ok::<DescribeEventBus>(json!({"Name": "mine"})).await;
        assert_eq!(shown["Description"], "e");

        house
            .ok::<PutRule>(json!({"Name": "r", "EventBusName": "mine", "EventPattern": PATTERN}))
            .await;
        let busy = house.call::<DeleteEventBus>(json!({"Name": "mine"})).await;
        assert_eq!(code(busy), "ValidationException");
        house.ok::<DeleteRule>(json!({"Name": "r", "EventBusName": "mine"})).await;
        house.ok::<DeleteEventBus>(json!({"Name": "mine"})).await;
        house.ok::<DeleteEventBus>(json!({"Name": "mine"})).await;
        assert_eq!(
            code(house.call::<DescribeEventBus>(json!({"Name": "mine"})).await),
            "ResourceNotFoundException"
        );
        assert_eq!(
            code(house.call::<DeleteEventBus>(json!({"Name": "default"})).await),
            "ValidationException"
        );
    });
}

#[test]
fn rules_are_refused_in_the_services_words() {
    story(async || {
        let house = House::new();
        let put = async |rule: Value| house.call::<PutRule>(rule).await.unwrap_err();
        let neither = put(json!({"Name": "r"})).await;
        assert_eq!(neither.1, "Parameter(s) EventPattern or ScheduleExpression must be specified.");
        let schedule = put(json!({"Name": "r", "ScheduleExpression": "rate(1 minutes)"})).await;
        assert_eq!(schedule.1, "Parameter ScheduleExpression is not valid.");
        let pattern = put(json!({"Name": "r", "EventPattern": "{\"source\": \"x\"}"})).await;
        let text = "Event pattern is not valid. Reason: \"source\" must be an object or an array\n at \
                    [Source: (String)\"{\"source\": \"x\"}\"; line: 1, column: 13]";
        assert_eq!(pattern, ("InvalidEventPatternException".to_owned(), text.to_owned()));
        let missing = put(json!({"Name": "r", "EventPattern": PATTERN, "EventBusName": "b"})).await;
        assert_eq!(missing.1, "Event bus b does not exist.");
        house.ok::<CreateEventBus>(json!({"Name": "b"})).await;
        let rate =
            json!({"Name": "r", "ScheduleExpression": "rate(5 minutes)", "EventBusName": "b"});
        assert_eq!(
            put(rate).await.1,
            "ScheduleExpression is supported only on the default event bus."
        );
        let unknown = house.call::<DescribeRule>(json!({"Name": "r"})).await.unwrap_err();
        assert_eq!(unknown.1, "Rule r does not exist on EventBus default.");
    });
}

#[test]
fn rules_and_targets_are_listed_in_pages_and_by_target() {
    story(async || {
        let house = House::new();
        for n in 0..5 {
            house.rule(&format!("r{n}"), json!({"EventPattern": PATTERN}), json!({})).await;
        }
        let first = house.ok::<ListRules>(json!({"Limit": 3})).await;
        assert_eq!(first["Rules"].as_array().unwrap().len(), 3);
        let rest = json!({"Limit": 3, "NextToken": first["NextToken"]});
        let rest = house.ok::<ListRules>(rest).await;
        assert_eq!(rest["Rules"][0]["Name"], "r3");
        assert!(rest.get("NextToken").is_none());
        let named = house.ok::<ListRuleNamesByTarget>(json!({"TargetArn": function("f")})).await;
        assert_eq!(named["RuleNames"], json!(["r0", "r1", "r2", "r3", "r4"]));

        let more: Vec<Value> =
            (2..7).map(|n| json!({"Id": n.to_string(), "Arn": function("g")})).collect();
        let many = house.call::<PutTargets>(json!({"Rule": "r0", "Targets": more})).await;
        assert_eq!(code(many), "LimitExceededException");
        house.ok::<PutTargets>(json!({"Rule": "r0", "Targets": more[..4]})).await;
        let listed = house.ok::<ListTargetsByRule>(json!({"Rule": "r0"})).await;
        assert_eq!(listed["Targets"].as_array().unwrap().len(), 5);
        let busy = house.call::<DeleteRule>(json!({"Name": "r0"})).await.unwrap_err();
        assert_eq!(busy.1, "Rule can't be deleted since it has targets.");
        let removed = house.ok::<RemoveTargets>(json!({"Rule": "r0", "Ids": ["1", "9"]})).await;
        assert_eq!(removed["FailedEntryCount"], 1);
        assert_eq!(removed["FailedEntries"][0]["TargetId"], "9");
    });
}

#[test]
fn permissions_make_the_policy_of_a_bus() {
    story(async || {
        let house = House::new();
        let statement = json!({
            "StatementId": "s", "Action": "events:PutEvents", "Principal": "123456789012",
        });
        house.ok::<PutPermission>(statement).await;
        let shown = house.ok::<DescribeEventBus>(json!({})).await;
        let policy: Value = serde_json::from_str(shown["Policy"].as_str().unwrap()).unwrap();
        assert_eq!(policy["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::123456789012:root");
        let bad = json!({"Policy": "{\"Statement\": 5}"});
        assert_eq!(code(house.call::<PutPermission>(bad).await), "ValidationException");
        let unknown = house.call::<RemovePermission>(json!({"StatementId": "t"})).await;
        assert_eq!(code(unknown), "ResourceNotFoundException");
        house.ok::<RemovePermission>(json!({"StatementId": "s"})).await;
        assert!(house.ok::<DescribeEventBus>(json!({})).await.get("Policy").is_none());
    });
}

#[test]
fn buses_and_rules_have_tags() {
    story(async || {
        let house = House::new();
        let tag = json!({"Key": "team", "Value": "a"});
        let rule = json!({"Name": "r", "EventPattern": PATTERN, "Tags": [tag]});
        let arn = house.ok::<PutRule>(rule).await["RuleArn"].clone();
        let bus = json!("arn:aws:events:us-east-1:000000000000:event-bus/default");
        for arn in [&arn, &bus] {
            let more = json!([{"Key": "k", "Value": "v"}]);
            house.ok::<TagResource>(json!({"ResourceARN": arn, "Tags": more})).await;
            house.ok::<UntagResource>(json!({"ResourceARN": arn, "TagKeys": ["team"]})).await;
            let listed = house.ok::<ListTagsForResource>(json!({"ResourceARN": arn})).await;
            assert_eq!(listed["Tags"], json!([{"Key": "k", "Value": "v"}]));
        }
        let gone = json!({"ResourceARN": "arn:aws:events:us-east-1:000000000000:rule/none"});
        assert_eq!(
            code(house.call::<ListTagsForResource>(gone).await),
            "ResourceNotFoundException"
        );
    });
}

#[test]
fn patterns_can_be_tried() {
    story(async || {
        let house = House::new();
        let event = json!({
            "id": "1", "account": "0", "source": "shop", "time": "t", "region": "r",
            "resources": [], "detail-type": "d", "detail": {},
        });
        let input = |event: &Value| json!({"EventPattern": PATTERN, "Event": event.to_string()});
        assert_eq!(house.ok::<TestEventPattern>(input(&event)).await["Result"], true);
        let refused = house.call::<TestEventPattern>(input(&json!({"source": "shop"}))).await;
        assert_eq!(refused.unwrap_err().1, "Parameter Event is not valid.");
    });
}

#[test]
fn a_rules_pattern_is_no_longer_than_the_quota_says() {
    story(async || {
        let house = House::new();
        let rule = |length: usize| {
            let name = "ä".repeat(length - json!({"source": [""]}).to_string().len());
            json!({"Name": "r", "EventPattern": json!({"source": [name]}).to_string()})
        };
        house.ok::<PutRule>(rule(2048)).await;
        let text = "The requested resource exceeds the maximum number allowed.";
        let too_long = ("LimitExceededException".to_owned(), text.to_owned());
        assert_eq!(house.call::<PutRule>(rule(2049)).await.unwrap_err(), too_long);
        // it is looked at before the pattern is read
        let broken = json!({"Name": "r", "EventPattern": "{".repeat(2049)});
        assert_eq!(house.call::<PutRule>(broken).await.unwrap_err(), too_long);
    });
}

#[test]
fn few_rules_of_a_bus_have_wildcards() {
    story(async || {
        let house = House::new();
        let rule =
            |name: &str, pattern: Value| json!({"Name": name, "EventPattern": pattern.to_string()});
        let wildcard = json!({"source": [{"wildcard": "a*"}]});
        for number in 0..30 {
            house.ok::<PutRule>(rule(&format!("r-{number}"), wildcard.clone())).await;
        }
        house.ok::<PutRule>(rule("r-0", wildcard.clone())).await; // again
        house.ok::<PutRule>(rule("plain", json!({"detail": {"wildcard": ["a*"]}}))).await;
        let text = "The requested resource exceeds the maximum number allowed.";
        let too_many = ("LimitExceededException".to_owned(), text.to_owned());
        let others = [
            json!({"detail": {"a": {"b": [{"wildcard": "*"}]}}}),
            json!({"source": [{"anything-but": {"wildcard": "a*"}}]}),
            json!({"$or": [{"source": ["a"]}, {"detail-type": [{"wildcard": "*b"}]}]}),
        ];
        for (name, pattern) in ["new", "new", "plain"].into_iter().zip(others) {
            assert_eq!(house.call::<PutRule>(rule(name, pattern)).await.unwrap_err(), too_many);
        }
        house.ok::<CreateEventBus>(json!({"Name": "mine"})).await;
        let mut other = rule("new", wildcard.clone());
        other["EventBusName"] = json!("mine");
        house.ok::<PutRule>(other).await;
        house.ok::<DeleteRule>(json!({"Name": "r-3"})).await;
        house.ok::<PutRule>(rule("new", wildcard)).await;
    });
}
