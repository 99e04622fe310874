//! Topics where policies decide.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::sync::Arc;

use haar_kernel::{NoIdentities, Principal};
use haar_policy::Principal as Who;
use haar_sns_contract::{CreateTopic, DeleteTopic, Publish, SetTopicAttributes, Subscribe};
use house::House;
use serde_json::json;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";

/// A user with no policies.
fn user(account: &str) -> Arc<Principal> {
    let account: haar_types::AccountId = account.parse().unwrap();
    let arn = format!("arn:aws:iam::{account}:user/u");
    let (name, id) = ("u".to_owned(), "AIDA".to_owned());
    Arc::new(Principal::of(account.clone(), Who::User { account, arn, name, id }))
}

#[tokio::test(start_paused = true)]
async fn the_usual_policy_lets_no_user_in_and_a_policy_that_names_one_does() {
    let house = House::enforced(Arc::new(NoIdentities));
    house.ok::<CreateTopic>(json!({ "Name": "t" })).await;
    let message = json!({ "TopicArn": TOPIC, "Message": "m" });
    house.ok::<Publish>(message.clone()).await; // the root may

    let own = user("000000000000");
    let (code, text) = house.call_as::<Publish>(own.clone(), message.clone()).await.unwrap_err();
    assert_eq!(code, "AuthorizationError");
    assert!(
        text.contains("because no identity-based policy allows the sns:Publish action"),
        "{text}"
    );
    let policy =
        json!({ "TopicArn": TOPIC, "AttributeName": "DisplayName", "AttributeValue": "d" });
    assert!(house.call_as::<SetTopicAttributes>(own.clone(), policy).await.is_err());
    let queue = json!({
        "TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q",
    });
    assert!(house.call_as::<Subscribe>(own.clone(), queue).await.is_err());
    assert!(house.call_as::<DeleteTopic>(own, json!({ "TopicArn": TOPIC })).await.is_err());

    let (other, third) = (user("111111111111"), user("222222222222"));
    assert!(house.call_as::<Publish>(other.clone(), message.clone()).await.is_err());
    let statement = json!({
        "Effect": "Allow", "Principal": { "AWS": ["arn:aws:iam::000000000000:user/u", "111111111111"] },
        "Action": "sns:Publish", "Resource": TOPIC,
    });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let policy = json!({ "TopicArn": TOPIC, "AttributeName": "Policy", "AttributeValue": policy });
    house.ok::<SetTopicAttributes>(policy).await;
    house.call_as::<Publish>(user("000000000000"), message.clone()).await.unwrap();
    let far = house.call_as::<Publish>(other, message.clone()).await.unwrap_err();
    assert!(far.1.contains("because no identity-based policy allows"), "its own must let it too");
    assert!(house.call_as::<Publish>(third, message).await.is_err());
}
