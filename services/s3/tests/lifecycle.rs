//! Moves between storage classes by lifecycle rules, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_s3_contract::model::*;
use house::House;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);
const LARGE: usize = 128 << 10;

async fn house(rules: Value) -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    let status = json!({ "Bucket": "bbb", "VersioningConfiguration": { "Status": "Enabled" } });
    house.ok::<PutBucketVersioning>(status).await;
    let rules = json!({ "Bucket": "bbb", "LifecycleConfiguration": { "Rules": rules } });
    house.ok::<PutBucketLifecycleConfiguration>(rules).await;
    house
}

/// The classes of all versions, newest first.
async fn classes(house: &House) -> Vec<String> {
    let listed = house.ok::<ListObjectVersions>(json!({ "Bucket": "bbb" })).await;
    let versions = listed["Versions"].as_array().unwrap();
    versions.iter().map(|one| one["StorageClass"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn older_versions_move_to_colder_classes_but_for_the_newest_of_them() {
    let house = house(json!([{
        "ID": "cold", "Status": "Enabled", "Filter": { "Prefix": "" },
        "NoncurrentVersionTransitions": [
            { "NoncurrentDays": 1, "NewerNoncurrentVersions": 1, "StorageClass": "GLACIER_IR" },
            { "NoncurrentDays": 9, "NewerNoncurrentVersions": 1, "StorageClass": "GLACIER" },
        ],
    }]))
    .await;
    let notify = json!({ "Bucket": "bbb", "NotificationConfiguration": { "QueueConfigurations": [
        { "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
          "Events": ["s3:LifecycleTransition"] } ] } });
    house.ok::<PutBucketNotificationConfiguration>(notify).await;
    house.queue.taken.lock().clear();
    let mut first = None;
    for byte in [1, 2, 3] {
        let put = house.put("k", vec![byte; LARGE]).await;
        first = first.or(put.version_id);
        house.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(classes(&house).await, ["STANDARD", "STANDARD", "STANDARD"]);
    house.pass(DAY * 3).await;
    assert_eq!(classes(&house).await, ["STANDARD", "STANDARD", "GLACIER_IR"]);
    assert_eq!(house.get("k", first.as_deref()).await.unwrap(), vec![1; LARGE]);
    house.pass(DAY * 8).await;
    assert_eq!(classes(&house).await, ["STANDARD", "STANDARD", "GLACIER"]);
    let refused = house.get("k", first.as_deref()).await.unwrap_err();
    assert_eq!(refused.0, "InvalidObjectState");
    let told = house.queue.taken.lock().clone();
    let names: Vec<_> = told.iter().map(|one| &one["Records"][0]["eventName"]).collect();
    assert_eq!(names, ["LifecycleTransition", "LifecycleTransition"]);
}

#[tokio::test(start_paused = true)]
async fn small_objects_move_only_where_a_rule_names_their_size() {
    let house = house(json!([
        { "ID": "all", "Status": "Enabled", "Filter": { "Prefix": "" },
          "Transitions": [{ "Days": 1, "StorageClass": "INTELLIGENT_TIERING" }] },
        { "ID": "sized", "Status": "Enabled",
          "Filter": { "And": { "Prefix": "sized/", "ObjectSizeGreaterThan": 1 } },
          "Transitions": [{ "Days": 1, "StorageClass": "GLACIER_IR" }] },
    ]))
    .await;
    house.put("a-large", vec![0; LARGE]).await;
    house.put("b-small", "small").await;
    house.put("sized/small", "small").await;
    house.pass(DAY * 3).await;
    assert_eq!(classes(&house).await, ["INTELLIGENT_TIERING", "STANDARD", "GLACIER_IR"]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_tells_when_it_is_given_up() {
    let house = house(json!([{
        "ID": "parts", "Status": "Enabled", "Filter": { "Prefix": "p" },
        "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 2 },
    }]))
    .await;
    let begun = house.ok::<CreateMultipartUpload>(json!({ "Bucket": "bbb", "Key": "p" })).await;
    assert_eq!(begun["AbortRuleId"], "parts");
    assert!(!begun["AbortDate"].is_null());
    let other = house.ok::<CreateMultipartUpload>(json!({ "Bucket": "bbb", "Key": "x" })).await;
    assert!(other["AbortRuleId"].is_null());
    let named = json!({ "Bucket": "bbb", "Key": "p", "UploadId": begun["UploadId"] });
    assert_eq!(house.ok::<ListParts>(named).await["AbortDate"], begun["AbortDate"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_for_tags_takes_no_delete_marker() {
    for (filter, left) in
        [(json!({ "Tag": { "Key": "a", "Value": "b" } }), 1), (json!({ "Prefix": "k" }), 0)]
    {
        let house = house(json!([{
            "ID": "x", "Status": "Enabled", "Filter": filter, "Expiration": { "Days": 1 },
        }]))
        .await;
        house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
        house.pass(DAY * 3).await;
        let listed = house.ok::<ListObjectVersions>(json!({ "Bucket": "bbb" })).await;
        assert_eq!(listed["DeleteMarkers"].as_array().map_or(0, Vec::len), left);
    }
}

#[tokio::test(start_paused = true)]
async fn rules_that_change_within_a_sweep_take_nothing_more() {
    let expire = |prefix: &str| {
        let rule = json!({ "ID": "x", "Status": "Enabled", "Filter": { "Prefix": prefix },
            "Expiration": { "Days": 1 } });
        json!({ "Bucket": "bbb", "LifecycleConfiguration": { "Rules": [rule] } })
    };
    for is_replaced in [false, true] {
        let house = House::new();
        house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
        for number in 0..300 {
            house.put(&format!("k{number:03}"), "").await;
        }
        house.put("z", "").await;
        house.pass(DAY * 3).await;
        house.ok::<PutBucketLifecycleConfiguration>(expire("")).await;
        while house.get("k000", None).await.is_ok() {
            tokio::task::yield_now().await;
        }
        match is_replaced {
            false => drop(house.ok::<DeleteBucketLifecycle>(json!({ "Bucket": "bbb" })).await),
            true => drop(house.ok::<PutBucketLifecycleConfiguration>(expire("z")).await),
        }
        house.pass(Duration::from_secs(3600)).await;
        assert!(house.get("k299", None).await.is_ok());
        assert_eq!(house.get("z", None).await.is_err(), is_replaced);
    }
}
