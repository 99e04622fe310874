//! Secrets that change by themselves.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_secretsmanager_contract::*;
use house::functions::ROTATE;
use house::{House, Refused, refused};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const ALL: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];
const FIRST: &str = "11111111-1111-1111-1111-111111111111";

async fn secret(house: &House) {
    let input = json!({ "Name": "db", "SecretString": "old", "ClientRequestToken": FIRST });
    house.ok::<CreateSecret>(input).await;
}

async fn rotate(house: &House, more: Value) -> Result<Value, Refused> {
    let mut input = json!({ "SecretId": "db" });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.call::<RotateSecret>(input).await
}

async fn value(house: &House) -> String {
    let got = house.ok::<GetSecretValue>(json!({ "SecretId": "db" })).await;
    got["SecretString"].as_str().unwrap().to_owned()
}

async fn described(house: &House) -> Value {
    house.ok::<DescribeSecret>(json!({ "SecretId": "db" })).await
}

#[tokio::test(start_paused = true)]
async fn a_function_rotates_a_secret_in_four_steps_now_and_by_its_schedule() {
    let house = House::new();
    secret(&house).await;
    let rules = json!({ "AutomaticallyAfterDays": 30, "Duration": "2h" });
    let asked = json!({ "RotationLambdaARN": ROTATE, "RotationRules": rules });
    let begun = rotate(&house, asked).await.unwrap();
    let version = begun["VersionId"].as_str().unwrap().to_owned();
    house.pass(MINUTE).await;
    assert_eq!(house.functions.steps(), ALL);
    assert!(house.functions.asked.lock().iter().all(|(_, asked)| *asked == version));
    assert_eq!(value(&house).await, format!("value of {version}"));
    let shown = described(&house).await;
    let stages = &shown["VersionIdsToStages"];
    assert_eq!(stages[&version], json!(["AWSCURRENT", "AWSPENDING"]));
    assert_eq!(stages[FIRST], json!(["AWSPREVIOUS"]));
    assert_eq!(
        (&shown["RotationEnabled"], &shown["RotationLambdaARN"], &shown["RotationRules"]),
        (&json!(true), &json!(ROTATE), &rules)
    );
    let (last, next) = (&shown["LastRotatedDate"], &shown["NextRotationDate"]);
    assert!(
        (next.as_f64().unwrap() - last.as_f64().unwrap() - DAY.as_secs_f64() * 30.0).abs() < 1.0
    );

    house.pass(DAY * 29).await;
    assert_eq!(house.functions.steps().len(), 4);
    house.pass(DAY).await;
    assert_eq!(house.functions.steps().len(), 8);
    assert_ne!(value(&house).await, format!("value of {version}"));

    house.ok::<CancelRotateSecret>(json!({ "SecretId": "db" })).await;
    house.pass(DAY * 90).await;
    assert_eq!(house.functions.steps().len(), 8);
    let shown = described(&house).await;
    assert_eq!(
        (&shown["RotationEnabled"], &shown["NextRotationDate"]),
        (&json!(false), &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_begins_the_rotation_anew_and_the_old_value_stays_until_then() {
    let house = House::new();
    secret(&house).await;
    house.functions.failing.lock().extend(["setSecret", "testSecret"]);
    let begun = rotate(&house, json!({ "RotationLambdaARN": ROTATE })).await.unwrap();
    house.pass(MINUTE / 2).await;
    assert_eq!(house.functions.steps(), ["createSecret", "setSecret"]);
    assert_eq!(value(&house).await, "old");
    let text = "A previous rotation isn't complete. That rotation will be reattempted.";
    assert_eq!(rotate(&house, json!({})).await, refused("InvalidRequestException", text));
    house.pass(MINUTE / 2).await;
    let second = ["createSecret", "setSecret", "testSecret"];
    assert_eq!(house.functions.steps()[2..], second);
    house.pass(MINUTE * 2).await;
    assert_eq!(house.functions.steps()[5..], ALL);
    let version = begun["VersionId"].as_str().unwrap();
    assert_eq!(value(&house).await, format!("value of {version}"));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_never_succeeds_is_given_up_until_somebody_asks() {
    let house = House::new();
    secret(&house).await;
    house.functions.failing.lock().extend(["setSecret"; 5]);
    rotate(&house, json!({ "RotationLambdaARN": ROTATE })).await.unwrap();
    house.pass(DAY).await;
    assert_eq!(house.functions.steps().len(), 10);
    assert_eq!(value(&house).await, "old");
    assert_eq!(rotate(&house, json!({})).await.unwrap_err().0, "InvalidRequestException");
    house.pass(MINUTE).await;
    assert_eq!(house.functions.steps()[10..], ALL);
    assert_ne!(value(&house).await, "old");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_for_later_tries_the_function_and_keeps_the_value() {
    let house = House::new();
    secret(&house).await;
    let rules = json!({ "ScheduleExpression": "cron(0 16 1 * ? *)" });
    let later = json!({
        "RotationLambdaARN": ROTATE, "RotationRules": rules, "RotateImmediately": false,
    });
    rotate(&house, later).await.unwrap();
    house.pass(MINUTE).await;
    assert_eq!(house.functions.steps(), ["testSecret"]);
    assert_eq!(*house.functions.tested.lock(), ["old"]);
    let all = json!({ "SecretId": "db", "IncludeDeprecated": true });
    let versions = house.ok::<ListSecretVersionIds>(all).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 1);
    let shown = described(&house).await;
    assert_eq!(shown["VersionIdsToStages"], json!({ FIRST: ["AWSCURRENT"] }));
    // from 2027-01-15T08:00 to 2027-02-01T16:00
    house.pass(DAY * 17).await;
    assert_eq!(house.functions.steps().len(), 1);
    house.pass(DAY / 3).await;
    assert_eq!(house.functions.steps()[1..], ALL);
}

fn trial() -> Value {
    json!({ "RotationLambdaARN": ROTATE, "RotateImmediately": false })
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_never_succeeds_leaves_nothing_and_a_rotation_is_one_again() {
    let house = House::new();
    secret(&house).await;
    house.functions.failing.lock().extend(["testSecret"; 5]);
    rotate(&house, trial()).await.unwrap();
    house.pass(DAY / 2).await;
    assert_eq!(house.functions.steps(), ["testSecret"; 5]);
    let shown = described(&house).await;
    assert_eq!(shown["VersionIdsToStages"], json!({ FIRST: ["AWSCURRENT"] }));
    let begun = rotate(&house, json!({})).await.unwrap();
    house.pass(MINUTE).await;
    assert_eq!(house.functions.steps()[5..], ALL);
    assert_eq!(value(&house).await, format!("value of {}", begun["VersionId"].as_str().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_trial_gives_way_to_a_rotation_and_to_cancelling() {
    let house = House::new();
    secret(&house).await;
    for is_cancelled in [false, true] {
        house.functions.failing.lock().push_back("testSecret");
        rotate(&house, trial()).await.unwrap();
        house.pass(MINUTE / 2).await;
        assert_eq!(rotate(&house, trial()).await.unwrap_err().0, "InvalidRequestException");
        house.functions.failing.lock().push_back("testSecret");
        house.pass(MINUTE / 2).await;
        if is_cancelled {
            house.ok::<CancelRotateSecret>(json!({ "SecretId": "db" })).await;
            let stages = described(&house).await["VersionIdsToStages"].to_string();
            assert!(!stages.contains("AWSPENDING"), "{stages}");
        }
        house.functions.failing.lock().clear();
        let begun = rotate(&house, json!({})).await.unwrap();
        house.pass(MINUTE).await;
        let version = begun["VersionId"].as_str().unwrap();
        assert_eq!(value(&house).await, format!("value of {version}"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_rotate_is_refused() {
    let house = House::new();
    secret(&house).await;
    let text = "No Lambda rotation function ARN is associated with this secret.";
    assert_eq!(rotate(&house, json!({})).await, refused("InvalidRequestException", text));
    let text = "Secrets Manager cannot invoke the specified Lambda function. Ensure that the \
                function policy grants access to the principal secretsmanager.amazonaws.com.";
    let unknown = json!({ "RotationLambdaARN": format!("{ROTATE}-not") });
    assert_eq!(rotate(&house, unknown).await, refused("AccessDeniedException", text));
    for rules in [
        json!({ "AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(1 day)" }),
        json!({ "ScheduleExpression": "rate(1 minute)" }),
        json!({ "ScheduleExpression": "cron(5 0 1 * ? *)" }),
    ] {
        let asked = json!({ "RotationLambdaARN": ROTATE, "RotationRules": rules });
        assert_eq!(rotate(&house, asked).await.unwrap_err().0, "InvalidParameterException");
    }
    let taken = json!({ "RotationLambdaARN": ROTATE, "ClientRequestToken": FIRST });
    assert_eq!(rotate(&house, taken).await.unwrap_err().0, "ResourceExistsException");
    house.pass(DAY).await;
    assert_eq!(house.functions.steps().len(), 0);
    assert_eq!(value(&house).await, "old");
}
