//! Connections and API destinations: made, shown, changed.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_events_contract::{
    CreateApiDestination, CreateConnection, DeauthorizeConnection, DeleteConnection,
    DescribeApiDestination, DescribeConnection, ListApiDestinations, ListConnections, PutEvents,
    UpdateConnection,
};
use haar_kernel::targets::Consignment;
use house::{House, queue, story};
use serde_json::{Value, json};

fn basic(name: &str) -> Value {
    json!({
        "Name": name, "AuthorizationType": "BASIC",
        "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "hunter2"}},
    })
}

#[test]
fn a_connection_shows_no_secret_and_is_changed_in_part() {
    story(async || {
        let house = House::new();
        let made = house.ok::<CreateConnection>(basic("c")).await;
        assert_eq!(made["ConnectionState"], "AUTHORIZED");
        let arn = made["ConnectionArn"].as_str().unwrap().to_owned();
        assert!(arn.starts_with("arn:aws:events:us-east-1:000000000000:connection/c/"));
        let update = json!({"Name": "c", "Description": "d"});
        house.ok::<UpdateConnection>(update).await;
        let shown = house.ok::<DescribeConnection>(json!({"Name": "c"})).await;
        assert_eq!(shown["AuthParameters"], json!({"BasicAuthParameters": {"Username": "u"}}));
        assert!(!shown.to_string().contains("hunter2"));
        let wrong = json!({"Name": "x", "AuthorizationType": "API_KEY",
            "AuthParameters": {"BasicAuthParameters": {"Username": "u", "Password": "p"}}});
        let wrong = house.call::<CreateConnection>(wrong).await.unwrap_err();
        assert_eq!(wrong.0, "ValidationException");
        let mut private = basic("private");
        private["InvocationConnectivityParameters"] = json!({"ResourceParameters":
            {"ResourceConfigurationArn": "arn:aws:vpc-lattice:us-east-1:000000000000:\
                resourceconfiguration/rcfg-01234567890123456"}});
        let private = house.call::<CreateConnection>(private).await.unwrap_err();
        assert_eq!(private.0, "ValidationException");
        let again = house.call::<CreateConnection>(basic("c")).await.unwrap_err();
        assert_eq!(again.0, "ResourceAlreadyExistsException");
        let listed = house.ok::<ListConnections>(json!({"ConnectionState": "AUTHORIZED"})).await;
        assert_eq!(listed["Connections"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn there_are_so_many_connections_and_destinations() {
    story(async || {
        let house = House::new();
        let mut arn = Value::Null;
        let destination = |number: usize, connection: &Value| {
            json!({
                "Name": format!("d-{number}"), "ConnectionArn": connection,
                "InvocationEndpoint": "https://api.test/", "HttpMethod": "POST",
            })
        };
        for number in 0..3000 {
            let made = house.ok::<CreateConnection>(basic(&format!("c-{number}"))).await;
            arn = made["ConnectionArn"].clone();
            house.ok::<CreateApiDestination>(destination(number, &arn)).await;
        }
        let text = "The requested resource exceeds the maximum number allowed.";
        let too_many = ("LimitExceededException".to_owned(), text.to_owned());
        assert_eq!(house.call::<CreateConnection>(basic("c")).await.unwrap_err(), too_many);
        let more = house.call::<CreateApiDestination>(destination(3000, &arn)).await;
        assert_eq!(more.unwrap_err(), too_many);
    });
}

#[test]
fn a_destination_is_active_while_its_connection_is_authorised() {
    story(async || {
        let house = House::new();
        let connection = house.ok::<CreateConnection>(basic("c")).await;
        let input = json!({
            "Name": "d", "ConnectionArn": connection["ConnectionArn"],
            "InvocationEndpoint": "https://api.test/*", "HttpMethod": "POST",
        });
        house.ok::<CreateApiDestination>(input.clone()).await;
        let shown = async || house.ok::<DescribeApiDestination>(json!({"Name": "d"})).await;
        let now = shown().await;
        assert_eq!(
            (&now["ApiDestinationState"], &now["InvocationRateLimitPerSecond"]),
            (&json!("ACTIVE"), &json!(300))
        );
        house.ok::<DeauthorizeConnection>(json!({"Name": "c"})).await;
        assert_eq!(shown().await["ApiDestinationState"], "INACTIVE");
        house.ok::<DeleteConnection>(json!({"Name": "c"})).await;
        let mut other = input;
        other["Name"] = json!("e");
        let refused = house.call::<CreateApiDestination>(other).await.unwrap_err();
        assert_eq!(refused.0, "ResourceNotFoundException");
        let listed = house.ok::<ListApiDestinations>(json!({})).await;
        assert_eq!(listed["ApiDestinations"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn what_waits_for_a_rate_takes_no_place_and_goes_at_that_rate() {
    story(async || {
        let house = House::new();
        let connection = house.ok::<CreateConnection>(basic("c")).await;
        for number in 0..9 {
            let destination = json!({
                "Name": format!("d{number}"), "ConnectionArn": connection["ConnectionArn"],
                "InvocationEndpoint": "https://api.test/", "HttpMethod": "POST",
                "InvocationRateLimitPerSecond": 1,
            });
            let made = house.ok::<CreateApiDestination>(destination).await;
            // There is no such role: each is buried once its turn has come.
            let target = json!({
                "Arn": made["ApiDestinationArn"], "RoleArn": "arn:aws:iam::000000000000:role/r",
                "DeadLetterConfig": {"Arn": queue("dead")},
            });
            let pattern = json!({"EventPattern": "{\"source\": [\"shop\"]}"});
            house.rule(&format!("r{number}"), pattern, target).await;
        }
        for _ in 0..100 {
            house.put(json!({})).await;
        }
        let pattern = json!({"EventPattern": "{\"source\": [\"other\"]}"});
        house.rule("other", pattern, json!({})).await;
        let entry = json!({"Source": "other", "DetailType": "d", "Detail": "{}"});
        house.ok::<PutEvents>(json!({"Entries": [entry]})).await;
        house.pass(Duration::from_millis(500)).await;
        assert_eq!(house.functions.bodies().len(), 1, "it waits behind nobody");

        let buried = || house.queues.got.lock().len();
        assert_eq!(buried(), 9, "one of each at once");
        house.pass(Duration::from_secs(10)).await;
        assert_eq!(buried(), 99);
        house.pass(Duration::from_secs(100)).await;
        assert_eq!(buried(), 900);
        let codes: Vec<Value> = house.queues.got.lock().iter().map(error_code).collect();
        assert!(codes.iter().all(|code| code == "FAILED_TO_ASSUME_ROLE"), "{:?}", codes[0]);
    });
}

fn error_code(letter: &Consignment) -> Value {
    let found = letter.attributes.iter().find(|(name, _)| name == "ERROR_CODE");
    found.map_or(Value::Null, |(_, code)| json!(code))
}
