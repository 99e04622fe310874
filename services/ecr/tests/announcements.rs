//! What the default event bus hears of images.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_ecr_contract::model::*;
use house::House;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// Actions and tags that were told of, after a while.
async fn actions(house: &House) -> Vec<(String, Value)> {
    house.pass(SECOND).await;
    let told = house.bus.told("ECR Image Action");
    house.bus.0.lock().clear();
    told.into_iter()
        .map(|(_, _, detail)| {
            let action = detail["action-type"].as_str().unwrap().to_owned();
            (action, detail["image-tag"].clone())
        })
        .collect()
}

fn action(name: &str, tag: &str) -> (String, Value) {
    (name.to_owned(), json!(tag))
}

#[tokio::test(start_paused = true)]
async fn pushes_and_deletions_are_told_of() {
    let house = House::new();
    house.repository("app").await;
    let image = house.push_image("app", Some("v1"), "layer").await;
    house.pass(SECOND).await;
    let (place, resources, detail) = house.bus.told("ECR Image Action").remove(0);
    assert_eq!((place.as_str(), resources), ("000000000000/us-east-1", Vec::new()));
    assert_eq!(
        detail,
        json!({
            "result": "SUCCESS", "repository-name": "app", "image-digest": image,
            "action-type": "PUSH", "image-tag": "v1",
        })
    );
    assert_eq!(actions(&house).await, [action("PUSH", "v1")]);
    // What is there already is no push.
    house.push_image("app", Some("v1"), "layer").await;
    assert_eq!(actions(&house).await, []);
    house.push_image("app", Some("v2"), "layer").await;
    assert_eq!(actions(&house).await, [action("PUSH", "v2")]);

    let tag = json!({ "repositoryName": "app", "imageIds": [{ "imageTag": "v2" }] });
    house.ok::<BatchDeleteImage>(tag).await;
    assert_eq!(actions(&house).await, [action("DELETE", "v2")]);
    let gone = json!({ "repositoryName": "app", "imageIds": [{ "imageTag": "nothing" }] });
    house.ok::<BatchDeleteImage>(gone).await;
    assert_eq!(actions(&house).await, []);
    house.push_image("app", None, "other").await;
    let force = json!({ "repositoryName": "app", "force": true });
    house.ok::<DeleteRepository>(force).await;
    let mut all = actions(&house).await;
    all.sort_by_key(|(action, tag)| (action.clone(), tag.to_string()));
    let untagged = |name: &str| (name.to_owned(), Value::Null);
    assert_eq!(all, [action("DELETE", "v1"), untagged("DELETE"), untagged("PUSH")]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_told_of_where_it_arrives() {
    let house = House::new();
    house.repository("app").await;
    let to = json!({ "region": "eu-west-1", "registryId": "111111111111" });
    let rules = json!({ "rules": [{ "destinations": [to] }] });
    house.ok::<PutReplicationConfiguration>(json!({ "replicationConfiguration": rules })).await;
    let image = house.push_image("app", Some("v1"), "layer").await;
    house.pass(SECOND).await;
    let told = house.bus.told("ECR Replication Action");
    let [(place, resources, detail)] = told.as_slice() else { panic!("once: {told:?}") };
    assert_eq!(place, "111111111111/eu-west-1");
    assert_eq!(resources, &["arn:aws:ecr:eu-west-1:111111111111:repository/app"]);
    assert_eq!(
        *detail,
        json!({
            "result": "SUCCESS", "repository-name": "app", "image-digest": image,
            "action-type": "PUSH", "image-tag": "v1",
            "source-account": "000000000000", "source-region": "us-east-1",
        })
    );
}
