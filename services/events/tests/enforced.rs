//! Buses, rules and destinations where policies decide.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::sync::Arc;
use std::time::Duration;

use haar_events_contract::{
    CreateApiDestination, CreateConnection, DeleteApiDestination, PutEvents, PutPermission,
    PutRule, PutTargets, RemovePermission, TagResource,
};
use haar_kernel::Principal;
use haar_kernel::targets::{Consignment, Sender};
use haar_types::Region;
use house::guard::{Guard, user};
use house::{House, queue, story};
use serde_json::{Value, json};

const OTHER: &str = "111111111111";
const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";
const FAR_BUS: &str = "arn:aws:events:eu-west-1:111111111111:event-bus/default";

fn root(account: &str) -> Arc<Principal> {
    Arc::new(Principal::root(account.parse().unwrap()))
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// Lets an account put events onto the default bus.
async fn permit(house: &House, account: &str) {
    let input = json!({"Action": "events:PutEvents", "Principal": account, "StatementId": "s"});
    house.ok::<PutPermission>(input).await;
}

/// A rule of another account, in another region, that sends to the default bus.
async fn sender(house: &House, role: Option<&str>) {
    let there = region("eu-west-1");
    let rule = json!({"Name": "out", "EventPattern": "{\"source\": [\"shop\"]}"});
    house.call_as::<PutRule>(root(OTHER), &there, rule).await.unwrap();
    let target = json!({
        "Id": "1", "Arn": BUS, "RoleArn": role,
        "DeadLetterConfig": {"Arn": queue("dead").replace("us-east-1", "eu-west-1")},
    });
    let targets = json!({"Rule": "out", "Targets": [target]});
    house.call_as::<PutTargets>(root(OTHER), &there, targets).await.unwrap();
}

async fn send(house: &House) {
    let entry = json!({"Source": "shop", "DetailType": "order", "Detail": "{}"});
    let there = region("eu-west-1");
    let input = json!({"Entries": [entry]});
    house.call_as::<PutEvents>(root(OTHER), &there, input).await.unwrap();
    house.pass(Duration::from_secs(1)).await;
}

/// Codes and texts of the dead letters.
fn dead(house: &House) -> Vec<(String, String)> {
    let value = |letter: &haar_kernel::targets::Consignment, name: &str| {
        let found = letter.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let letters = house.queues.got.lock();
    letters.iter().map(|one| (value(one, "ERROR_CODE"), value(one, "ERROR_MESSAGE"))).collect()
}

#[test]
fn a_bus_takes_events_of_the_accounts_that_its_policy_names() {
    story(async || {
        let house = House::enforced(Guard::default());
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("in", rule, json!({})).await;
        sender(&house, None).await;
        send(&house).await;
        let refused = dead(&house);
        assert_eq!(refused[0].0, "NO_PERMISSIONS");
        assert!(refused[0].1.contains("because no resource-based policy allows"), "{refused:?}");
        assert!(house.functions.bodies().is_empty());

        permit(&house, OTHER).await;
        send(&house).await;
        let bodies = house.functions.bodies();
        assert_eq!((bodies.len(), dead(&house).len()), (1, 1));
        let event = &bodies[0].1;
        assert_eq!((&event["account"], &event["region"]), (&json!(OTHER), &json!("eu-west-1")));

        house.ok::<RemovePermission>(json!({"StatementId": "s"})).await;
        send(&house).await;
        assert_eq!((house.functions.bodies().len(), dead(&house).len()), (1, 2));
    });
}

#[test]
fn a_rules_role_must_be_let_by_its_own_policy_and_by_the_bus() {
    story(async || {
        let role = |name: &str| format!("arn:aws:iam::{OTHER}:role/{name}");
        let guard = Guard::default().with(&role("may"), "events:PutEvents", BUS).with(
            &role("may-elsewhere"),
            "events:PutEvents",
            FAR_BUS,
        );
        let house = House::enforced(guard);
        house.rule("in", json!({"EventPattern": "{\"source\": [\"shop\"]}"}), json!({})).await;
        permit(&house, OTHER).await;
        sender(&house, Some(&role("may-elsewhere"))).await;
        send(&house).await;
        assert!(dead(&house)[0].1.contains("because no identity-based policy allows"));
        sender(&house, Some(&role("gone"))).await;
        send(&house).await;
        assert_eq!(dead(&house)[1].0, "FAILED_TO_ASSUME_ROLE");
        assert!(house.functions.bodies().is_empty());
        sender(&house, Some(&role("may"))).await;
        send(&house).await;
        assert_eq!(house.functions.bodies().len(), 1);
        house.ok::<RemovePermission>(json!({"RemoveAllPermissions": true})).await;
        send(&house).await;
        assert_eq!((house.functions.bodies().len(), dead(&house).len()), (1, 3));
    });
}

#[test]
fn others_put_events_and_rules_as_the_buss_policy_says() {
    story(async || {
        let stranger = format!("arn:aws:iam::{OTHER}:user/stranger");
        let house = House::enforced(Guard::default().with(&stranger, "events:*", "*"));
        house.rule("in", json!({"EventPattern": "{\"source\": [\"shop\"]}"}), json!({})).await;
        let here = region("us-east-1");
        let entry = json!({
            "Source": "shop", "DetailType": "order", "Detail": "{}", "EventBusName": BUS,
        });
        let put = async || {
            let input = json!({"Entries": [entry.clone()]});
            house.call_as::<PutEvents>(user(&stranger), &here, input).await
        };
        let refused = put().await.unwrap_err();
        assert_eq!(refused.0, "AccessDeniedException");
        assert!(refused.1.contains("no resource-based policy"), "{refused:?}");
        permit(&house, OTHER).await;
        assert_eq!(put().await.unwrap()["FailedEntryCount"], 0);
        let rule = json!({"Name": "mine", "EventPattern": "{}", "EventBusName": BUS});
        let rule = house.call_as::<PutRule>(user(&stranger), &here, rule).await;
        assert_eq!(rule.unwrap_err().0, "AccessDeniedException");
        house.pass(Duration::from_secs(1)).await;
        assert_eq!(house.functions.bodies().len(), 1);
    });
}

#[test]
fn rules_and_targets_are_weighed_by_patterns_targets_and_makers() {
    story(async || {
        let stranger = format!("arn:aws:iam::{OTHER}:user/stranger");
        let house = House::enforced(Guard::default().with(&stranger, "events:*", "*"));
        let here = region("us-east-1");
        let statement = |id: &str, action: &str, condition: Value| {
            json!({
                "Sid": id, "Effect": "Allow", "Action": action,
                "Resource": "arn:aws:events:us-east-1:000000000000:rule/*",
                "Principal": {"AWS": format!("arn:aws:iam::{OTHER}:root")},
                "Condition": condition,
            })
        };
        let statements = [
            statement(
                "rules",
                "events:PutRule",
                json!({"StringEquals": {
                    "events:source": "shop", "events:detail-type": "order",
                    "events:detail.service": "till",
                }}),
            ),
            statement(
                "targets",
                "events:PutTargets",
                json!({
                    "ArnLike": {"events:TargetArn": "arn:aws:sqs:*:*:*"},
                    "StringEquals": {"events:creatorAccount": OTHER},
                }),
            ),
        ];
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        house.ok::<PutPermission>(json!({"Policy": policy})).await;
        let rule = async |name: &str, source: &str, service: &str| {
            let pattern = json!({
                "source": [source], "detail-type": ["order"], "detail": {"service": [service]},
            });
            let input =
                json!({"Name": name, "EventPattern": pattern.to_string(), "EventBusName": BUS});
            house.call_as::<PutRule>(user(&stranger), &here, input).await.map_err(|error| error.0)
        };
        let denied = Err("AccessDeniedException".to_owned());
        assert_eq!(rule("r", "bank", "till").await, denied);
        assert_eq!(rule("r", "shop", "door").await, denied);
        rule("r", "shop", "till").await.unwrap();

        let own = json!({"Name": "own", "EventPattern": "{\"source\": [\"shop\"]}"});
        house.ok::<PutRule>(own).await;
        let target = async |rule: &str, arn: &str| {
            let input = json!({
                "Rule": rule, "EventBusName": BUS, "Targets": [{"Id": "1", "Arn": arn}],
            });
            let put = house.call_as::<PutTargets>(user(&stranger), &here, input).await;
            put.map_err(|error| error.0)
        };
        let topic = "arn:aws:sns:us-east-1:000000000000:t";
        assert_eq!(target("r", topic).await, denied);
        assert_eq!(target("own", &queue("q")).await, denied, "another's rule");
        target("r", &queue("q")).await.unwrap();
    });
}

/// A policy that lets `OTHER` put events where a key has a value.
fn narrowed(key: &str, value: &str) -> Value {
    let statement = json!({
        "Sid": "s", "Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS,
        "Principal": {"AWS": format!("arn:aws:iam::{OTHER}:root")},
        "Condition": {"StringEquals": {key: value}},
    });
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    json!({"Policy": policy.to_string()})
}

#[test]
fn entries_of_sources_and_types_that_may_not_be_put_fail_one_by_one() {
    story(async || {
        let house = House::enforced(Guard::default());
        house
            .rule("in", json!({"EventPattern": "{\"account\": [\"111111111111\"]}"}), json!({}))
            .await;
        let entry = |source: &str, kind: &str| json!({"Source": source, "DetailType": kind, "Detail": "{}", "EventBusName": BUS});
        let codes = async || {
            let entries = [entry("good", "x"), entry("bad", "x"), entry("good", "y")];
            let input = json!({"Entries": entries});
            let answer = house.call_as::<PutEvents>(root(OTHER), &region("us-east-1"), input).await;
            let answer = answer.unwrap();
            let code = |n: usize| answer["Entries"][n]["ErrorCode"].clone();
            (answer["FailedEntryCount"].clone(), json!([code(0), code(1), code(2)]))
        };
        house.ok::<PutPermission>(narrowed("events:source", "good")).await;
        let by_source = json!([null, "NotAuthorizedForSourceException", null]);
        assert_eq!(codes().await, (json!(1), by_source));
        house.ok::<PutPermission>(narrowed("events:detail-type", "x")).await;
        let by_type = json!([null, null, "NotAuthorizedForDetailTypeException"]);
        assert_eq!(codes().await, (json!(1), by_type));
        house.pass(Duration::from_secs(1)).await;
        assert_eq!(house.functions.bodies().len(), 4);
    });
}

#[test]
fn what_comes_from_other_buses_and_rooms_is_weighed_by_its_source_and_type() {
    story(async || {
        let house = House::enforced(Guard::default());
        let rule = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        house.rule("in", rule, json!({})).await;
        sender(&house, None).await;
        let offered = async || {
            let who = Sender { principal: root(OTHER), source_arn: String::new() };
            let event = json!({"source": "shop", "detail-type": "order", "detail": {}});
            let consignment =
                Consignment::new(BUS, who, region("us-east-1"), event.to_string().into());
            house.doors.targets.deliver(&consignment).await.is_ok()
        };
        for (key, value, is_let) in [
            ("events:source", "shop", true),
            ("events:source", "else", false),
            ("events:detail-type", "order", true),
            ("events:detail-type", "else", false),
            ("aws:ResourceTag/for", "shops", false),
        ] {
            house.ok::<PutPermission>(narrowed(key, value)).await;
            let before = (house.functions.bodies().len(), dead(&house).len());
            send(&house).await;
            let count = usize::from(is_let);
            let after = (before.0 + count, before.1 + 1 - count);
            assert_eq!(
                (house.functions.bodies().len(), dead(&house).len()),
                after,
                "{key} {value}"
            );
            assert_eq!(offered().await, is_let, "{key} {value}");
            house.pass(Duration::from_secs(1)).await;
        }
        let tags = json!({"ResourceARN": BUS, "Tags": [{"Key": "for", "Value": "shops"}]});
        house.ok::<TagResource>(tags).await;
        assert!(offered().await);
    });
}

#[test]
fn several_entries_are_weighed_with_the_tags_of_their_bus() {
    story(async || {
        let house = House::enforced(Guard::default());
        let tags = json!({"ResourceARN": BUS, "Tags": [{"Key": "for", "Value": "shops"}]});
        house.ok::<TagResource>(tags).await;
        let failed = async || {
            let entry =
                json!({"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": BUS});
            let input = json!({"Entries": [entry, entry]});
            let answer = house.call_as::<PutEvents>(root(OTHER), &region("us-east-1"), input).await;
            answer.map(|answer| answer["FailedEntryCount"].clone()).ok()
        };
        house.ok::<PutPermission>(narrowed("aws:ResourceTag/for", "shops")).await;
        assert_eq!(failed().await, Some(json!(0)));
        house.ok::<PutPermission>(narrowed("aws:ResourceTag/for", "others")).await;
        assert_eq!(failed().await, None);
    });
}

#[test]
fn a_rules_role_must_be_let_call_an_api_destination() {
    story(async || {
        let role = |name: &str| format!("arn:aws:iam::000000000000:role/{name}");
        let guard = Guard::default().with(&role("may"), "events:InvokeApiDestination", "*").with(
            &role("may-not"),
            "events:PutEvents",
            "*",
        );
        let house = House::enforced(guard);
        let parameters = json!({"BasicAuthParameters": {"Username": "u", "Password": "p"}});
        let connection = house
            .ok::<CreateConnection>(json!({
                "Name": "c", "AuthorizationType": "BASIC", "AuthParameters": parameters,
            }))
            .await;
        let destination = json!({
            "Name": "d", "ConnectionArn": connection["ConnectionArn"], "HttpMethod": "POST",
            "InvocationEndpoint": "https://api.test/",
        });
        let made = house.ok::<CreateApiDestination>(destination).await;
        let rule = || json!({"EventPattern": "{\"source\": [\"shop\"]}"});
        let target = |role: String| {
            json!({
                "Arn": made["ApiDestinationArn"], "RoleArn": role,
                "DeadLetterConfig": {"Arn": queue("dead")},
            })
        };
        house.rule("r", rule(), target(role("may-not"))).await;
        house.put(json!({})).await;
        house.pass(Duration::from_secs(1)).await;
        let (code, text) = dead(&house).remove(0);
        assert_eq!(code, "NO_PERMISSIONS");
        assert!(text.contains("perform: events:InvokeApiDestination on resource"), "{text}");
        // One that may comes as far as the destination, which is gone.
        house.rule("r", rule(), target(role("may"))).await;
        house.ok::<DeleteApiDestination>(json!({"Name": "d"})).await;
        house.put(json!({})).await;
        house.pass(Duration::from_secs(1)).await;
        assert_eq!(dead(&house)[1].0, "NO_RESOURCE");
    });
}
