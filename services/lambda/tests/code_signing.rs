//! Code signing configurations: made, given to functions, and what they refuse.

#![allow(clippy::unwrap_used)]

mod house;
mod support;

use haar_lambda_contract::model::*;
use house::{House, python, zip};
use serde_json::{Value, json};

const NOWHERE: &str =
    "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000";

async fn config(house: &House, policy: &str) -> String {
    let profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij";
    let made = house
        .ok::<CreateCodeSigningConfig>(json!({
            "AllowedPublishers": { "SigningProfileVersionArns": [profile] },
            "CodeSigningPolicies": { "UntrustedArtifactOnDeployment": policy },
            "Tags": { "team": "a" },
        }))
        .await;
    made["CodeSigningConfig"]["CodeSigningConfigArn"].as_str().unwrap().to_owned()
}

fn named(name: &str) -> Value {
    json!({ "FunctionName": name })
}

#[tokio::test]
async fn a_function_tells_that_it_has_no_configuration() {
    let house = House::new();
    house.function("f").await;
    let seen = house.ok::<GetFunctionCodeSigningConfig>(named("f")).await;
    assert_eq!(seen, json!({ "CodeSigningConfigArn": "", "FunctionName": "f" }));
    let refused = house.call::<GetFunctionCodeSigningConfig>(named("g")).await.unwrap_err();
    assert_eq!(refused.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_configuration_that_warns_lets_code_in_and_one_that_enforces_does_not() {
    let house = House::new();
    let arn = config(&house, "Warn").await;
    let mut input = python("f");
    input["CodeSigningConfigArn"] = json!(NOWHERE);
    let refused = house.call::<CreateFunction>(input.clone()).await.unwrap_err();
    assert_eq!(refused.0, "CodeSigningConfigNotFoundException");
    input["CodeSigningConfigArn"] = json!(arn);
    house.ok::<CreateFunction>(input).await;
    house.settled("f").await;
    let seen = house.ok::<GetFunctionCodeSigningConfig>(named("f")).await;
    assert_eq!(seen["CodeSigningConfigArn"], arn);
    let by = json!({ "CodeSigningConfigArn": arn });
    let users = house.ok::<ListFunctionsByCodeSigningConfig>(by.clone()).await;
    assert_eq!(users["FunctionArns"], json!(["arn:aws:lambda:us-east-1:000000000000:function:f"]));

    let enforce = json!({ "CodeSigningConfigArn": arn,
        "CodeSigningPolicies": { "UntrustedArtifactOnDeployment": "Enforce" } });
    let changed = house.ok::<UpdateCodeSigningConfig>(enforce).await;
    let policies = &changed["CodeSigningConfig"]["CodeSigningPolicies"];
    assert_eq!(policies["UntrustedArtifactOnDeployment"], "Enforce");
    let code = json!({ "FunctionName": "f", "ZipFile": zip("app.py", "x = 1") });
    let refused = house.call::<UpdateFunctionCode>(code.clone()).await.unwrap_err();
    assert_eq!(refused.0, "CodeVerificationFailedException");
    let refused = house.call::<DeleteCodeSigningConfig>(by.clone()).await.unwrap_err();
    assert_eq!(refused.0, "ResourceConflictException");

    house.ok::<DeleteFunctionCodeSigningConfig>(named("f")).await;
    house.ok::<UpdateFunctionCode>(code).await;
    house.ok::<DeleteCodeSigningConfig>(by.clone()).await;
    let gone = [
        house.call::<GetCodeSigningConfig>(by.clone()).await.unwrap_err(),
        house.call::<UpdateCodeSigningConfig>(by.clone()).await.unwrap_err(),
        house.call::<ListFunctionsByCodeSigningConfig>(by.clone()).await.unwrap_err(),
        house.call::<DeleteCodeSigningConfig>(by).await.unwrap_err(),
    ];
    for refused in gone {
        assert_eq!(refused.0, "ResourceNotFoundException");
    }
}

#[tokio::test]
async fn configurations_are_listed_by_pages_and_tagged() {
    let house = House::new();
    let arns = [config(&house, "Warn").await, config(&house, "Enforce").await];
    let first = house.ok::<ListCodeSigningConfigs>(json!({ "MaxItems": 1 })).await;
    let marker = json!({ "MaxItems": 1, "Marker": first["NextMarker"] });
    let second = house.ok::<ListCodeSigningConfigs>(marker).await;
    let mut seen: Vec<_> = [&first, &second]
        .map(|page| page["CodeSigningConfigs"][0]["CodeSigningConfigArn"].as_str().unwrap())
        .into();
    seen.sort_unstable();
    let mut expected = arns.each_ref().map(String::as_str).to_vec();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    assert_eq!(second.get("NextMarker").unwrap_or(&Value::Null), &Value::Null);

    let tag = json!({ "Resource": arns[0], "Tags": { "stage": "b" } });
    house.ok::<TagResource>(tag).await;
    let tags = house.ok::<ListTags>(json!({ "Resource": arns[0] })).await;
    assert_eq!(tags["Tags"], json!({ "team": "a", "stage": "b" }));
}

#[tokio::test]
async fn subnets_and_security_groups_come_together() {
    let house = House::new();
    let mut input = python("f");
    input["VpcConfig"] = json!({ "SubnetIds": ["subnet-1"], "SecurityGroupIds": [] });
    let refused = house.call::<CreateFunction>(input).await.unwrap_err();
    assert_eq!(refused.1, "SubnetIds and SecurityIds must coexist or be both empty list.");
}
