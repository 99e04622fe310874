//! Who may call what, where policies decide.

#![allow(clippy::unwrap_used)]

mod house;
mod support;

use haar_kernel::{Auth, Principal};
use haar_lambda_contract::model::*;
use haar_policy::Principal as Identity;
use house::{House, python};
use serde_json::json;

fn user(account: &str) -> Principal {
    let account: haar_types::AccountId = account.parse().unwrap();
    let identity = Identity::User {
        account: account.clone(),
        arn: format!("arn:aws:iam::{account}:user/u"),
        name: "u".to_owned(),
        id: "AIDAU".to_owned(),
    };
    Principal { identity, ..Principal::root(account) }
}

#[tokio::test]
async fn a_functions_policy_lets_in_whom_it_names_to_what_it_names() {
    let house = House::with(Auth::Enforce);
    for name in ["f", "g"] {
        let mut input = python(name);
        input["Publish"] = json!(true);
        house.ok::<CreateFunction>(input).await;
    }
    let get = |name: &str| json!({ "FunctionName": name });
    let own = || user("000000000000");
    let denied = house.call_as::<GetFunction>(own(), get("f")).await.unwrap_err();
    assert_eq!(denied.0, "AccessDeniedException");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    assert!(denied.1.contains(&format!("lambda:GetFunction on resource: {arn}")), "{denied:?}");

    let allow = json!({ "FunctionName": "f", "StatementId": "s", "Action": "lambda:GetFunction",
        "Principal": "arn:aws:iam::000000000000:user/u" });
    house.ok::<AddPermission>(allow).await;
    for name in ["f", arn, "000000000000:function:f"] {
        let seen = house.call_as::<GetFunction>(own(), get(name)).await.unwrap();
        assert_eq!(seen["Configuration"]["FunctionArn"], arn);
    }
    assert!(house.call_as::<GetFunction>(own(), get("g")).await.is_err());
    assert!(house.call_as::<GetFunction>(own(), get("f:1")).await.is_err());
}

#[tokio::test]
async fn a_layer_of_another_account_must_be_shared() {
    let house = House::with(Auth::Enforce);
    let other = || Principal::root("111122223333".parse().unwrap());
    let content = json!({ "LayerName": "deps", "Content": { "ZipFile": house::zip("a", "b") } });
    let made = house.call_as::<PublishLayerVersion>(other(), content).await.unwrap();
    let mut input = python("f");
    input["Layers"] = json!([made["LayerVersionArn"]]);
    let denied = house.call::<CreateFunction>(input.clone()).await.unwrap_err();
    assert_eq!(denied.0, "AccessDeniedException");
    let share = json!({ "LayerName": "deps", "VersionNumber": 1, "StatementId": "s",
        "Action": "lambda:GetLayerVersion", "Principal": "000000000000" });
    house.call_as::<AddLayerVersionPermission>(other(), share).await.unwrap();
    house.ok::<CreateFunction>(input).await;
}

#[tokio::test]
async fn tags_are_weighed_under_the_functions_own_arn() {
    let house = House::with(Auth::Enforce);
    house.ok::<CreateFunction>(python("f")).await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let elsewhere = "arn:aws-us-gov:lambda:us-east-1:000000000000:function:f";
    for resource in [arn, elsewhere] {
        let input = json!({ "Resource": resource });
        let denied = house.call_as::<ListTags>(user("000000000000"), input).await.unwrap_err();
        assert!(denied.1.contains(&format!("lambda:ListTags on resource: {arn}")), "{denied:?}");
    }
}
