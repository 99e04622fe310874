//! Copies in other buckets, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_s3_contract::model::*;
use house::{House, Refused, put};
use serde_json::{Value, json};

/// Two buckets that keep versions: `bbb`, and `ccc` in another region.
async fn house() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    let there = json!({ "Bucket": "ccc", "CreateBucketConfiguration": {
        "LocationConstraint": "eu-west-1" } });
    house.ok::<CreateBucket>(there).await;
    for bucket in ["bbb", "ccc"] {
        keep_versions(&house, bucket, "Enabled").await.unwrap();
    }
    house
}

async fn keep_versions(house: &House, bucket: &str, status: &str) -> Result<Value, Refused> {
    let input = json!({ "Bucket": bucket, "VersioningConfiguration": { "Status": status } });
    house.call::<PutBucketVersioning>(input).await
}

fn rule(priority: i32, filter: Value, to: &str, markers: &str) -> Value {
    json!({ "ID": format!("rule {priority}"), "Priority": priority, "Status": "Enabled",
        "Filter": filter, "DeleteMarkerReplication": { "Status": markers },
        "Destination": { "Bucket": format!("arn:aws:s3:::{to}") } })
}

async fn replicate(house: &House, from: &str, rules: Vec<Value>) -> Result<Value, Refused> {
    let role = "arn:aws:iam::000000000000:role/replication";
    let config = json!({ "Bucket": from,
        "ReplicationConfiguration": { "Role": role, "Rules": rules } });
    house.call::<PutBucketReplication>(config).await
}

async fn head(house: &House, bucket: &str, key: &str) -> Result<Value, Refused> {
    house.call::<HeadObject>(json!({ "Bucket": bucket, "Key": key })).await
}

async fn read(house: &House, bucket: &str, key: &str) -> Vec<u8> {
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    let input = GetObjectRequest { bucket, key, ..Default::default() };
    let output = house.raw::<GetObject>(input).await.unwrap();
    haar_s3_contract::whole(output, 1 << 30).await.unwrap().to_vec()
}

async fn settle(house: &House) {
    house.pass(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_is_copied_with_its_version_and_all_that_is_said_of_it() {
    let house = house().await;
    house.put("before", "x").await;
    replicate(&house, "bbb", vec![rule(1, json!({}), "ccc", "Enabled")]).await.unwrap();
    for (key, body) in [("small", vec![7; 100]), ("large", vec![8; 300_000]), ("none", vec![])] {
        let input = PutObjectRequest {
            metadata: Some([("a".to_owned(), "1".to_owned())].into()),
            tagging: Some("t=v".to_owned()),
            ..put(key, body.clone())
        };
        let output = house.raw::<PutObject>(input).await.unwrap();
        assert_eq!(head(&house, "bbb", key).await.unwrap()["ReplicationStatus"], "PENDING");
        settle(&house).await;
        let (from, to) = (head(&house, "bbb", key).await.unwrap(), head(&house, "ccc", key).await);
        let to = to.unwrap();
        assert_eq!(from["ReplicationStatus"], "COMPLETED");
        assert_eq!(to["ReplicationStatus"], "REPLICA");
        assert_eq!(to["VersionId"], json!(output.version_id));
        for same in ["ETag", "Metadata", "LastModified", "TagCount", "ContentLength"] {
            assert_eq!(to[same], from[same], "{same}");
        }
        assert_eq!(read(&house, "ccc", key).await, body);
    }
    assert!(head(&house, "ccc", "before").await.is_err(), "what was there before stays alone");
    assert_eq!(head(&house, "bbb", "before").await.unwrap()["ReplicationStatus"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn versions_and_markers_are_stacked_alike_and_deleted_versions_stay() {
    let house = house().await;
    replicate(&house, "bbb", vec![rule(1, json!({}), "ccc", "Enabled")]).await.unwrap();
    let first = house.put("k", "one").await;
    house.put("k", "two").await;
    settle(&house).await;
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    settle(&house).await;
    let list = |bucket: &str| {
        let input = json!({ "Bucket": bucket });
        house.call::<ListObjectVersions>(input)
    };
    let (from, to) = (list("bbb").await.unwrap(), list("ccc").await.unwrap());
    let ids = |listed: &Value, member: &str| -> Vec<Value> {
        listed[member].as_array().unwrap().iter().map(|one| one["VersionId"].clone()).collect()
    };
    assert_eq!(ids(&from, "Versions"), ids(&to, "Versions"));
    assert_eq!(ids(&from, "DeleteMarkers"), ids(&to, "DeleteMarkers"));
    let version = json!({ "Bucket": "bbb", "Key": "k", "VersionId": first.version_id });
    house.ok::<DeleteObject>(version).await;
    settle(&house).await;
    assert_eq!(ids(&list("ccc").await.unwrap(), "Versions").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn filters_choose_and_markers_stay_unless_wanted() {
    let house = house().await;
    let tag = json!({ "And": { "Prefix": "a/", "Tags": [ { "Key": "t", "Value": "v" } ] } });
    let rules = vec![
        rule(1, tag, "ccc", "Disabled"),
        rule(2, json!({ "Prefix": "b/" }), "ccc", "Disabled"),
    ];
    replicate(&house, "bbb", rules).await.unwrap();
    for (key, tagging) in [("a/1", Some("t=v")), ("a/2", None), ("b/1", None), ("c/1", None)] {
        let tagging = tagging.map(str::to_owned);
        house.raw::<PutObject>(PutObjectRequest { tagging, ..put(key, "x") }).await.unwrap();
    }
    settle(&house).await;
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "b/1" })).await;
    settle(&house).await;
    let there = house.ok::<ListObjectsV2>(json!({ "Bucket": "ccc" })).await;
    let there = there["Contents"].as_array().unwrap().clone();
    let keys: Vec<_> = there.iter().map(|one| one["Key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a/1", "b/1"]);
    assert_eq!(head(&house, "bbb", "c/1").await.unwrap()["ReplicationStatus"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn two_buckets_copy_each_other_and_no_copy_is_copied_on() {
    let house = house().await;
    replicate(&house, "bbb", vec![rule(1, json!({}), "ccc", "Enabled")]).await.unwrap();
    replicate(&house, "ccc", vec![rule(1, json!({}), "bbb", "Enabled")]).await.unwrap();
    house.put("k", "x").await;
    house.pass(Duration::from_secs(60)).await;
    let listed = house.ok::<ListObjectVersions>(json!({ "Bucket": "ccc" })).await;
    assert_eq!(listed["Versions"].as_array().unwrap().len(), 1);
    assert_eq!(house.versions().await, ["k"]);
    assert_eq!(house.records(&["s3.copying"]), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_later_is_changed_there_too() {
    let house = house().await;
    let mut archived = rule(1, json!({}), "ccc", "Disabled");
    archived["Destination"]["StorageClass"] = json!("STANDARD_IA");
    replicate(&house, "bbb", vec![archived]).await.unwrap();
    house.put("k", "x").await;
    settle(&house).await;
    let tagging = json!({ "TagSet": [ { "Key": "late", "Value": "1" } ] });
    let input = json!({ "Bucket": "bbb", "Key": "k", "Tagging": tagging });
    house.ok::<PutObjectTagging>(input).await;
    settle(&house).await;
    let there = house.ok::<GetObjectTagging>(json!({ "Bucket": "ccc", "Key": "k" })).await;
    assert_eq!(there["TagSet"], tagging["TagSet"]);
    assert_eq!(head(&house, "ccc", "k").await.unwrap()["StorageClass"], "STANDARD_IA");
    assert_eq!(read(&house, "ccc", "k").await, b"x");
}

#[tokio::test(start_paused = true)]
async fn what_locks_a_copy_outlives_changes_of_its_original() {
    let house = house().await;
    let locked = json!({ "Bucket": "ccc",
        "ObjectLockConfiguration": { "ObjectLockEnabled": "Enabled" } });
    house.ok::<PutObjectLockConfiguration>(locked).await;
    replicate(&house, "bbb", vec![rule(1, json!({}), "ccc", "Enabled")]).await.unwrap();
    let put = house.put("k", "one").await;
    settle(&house).await;
    let year_2100 = 4_102_444_800_i64;
    let retention = json!({ "Bucket": "ccc", "Key": "k",
        "Retention": { "Mode": "COMPLIANCE", "RetainUntilDate": year_2100 } });
    house.ok::<PutObjectRetention>(retention).await;
    let tags = json!({ "Bucket": "bbb", "Key": "k",
        "Tagging": { "TagSet": [{ "Key": "a", "Value": "1" }] } });
    house.ok::<PutObjectTagging>(tags).await;
    settle(&house).await;
    let copy = head(&house, "ccc", "k").await.unwrap();
    assert_eq!((&copy["TagCount"], &copy["ObjectLockMode"]), (&json!(1), &json!("COMPLIANCE")));
    let version = json!({ "Bucket": "ccc", "Key": "k", "VersionId": put.version_id });
    assert!(house.call::<DeleteObject>(version).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_copy_fails_where_no_versions_are_kept_and_blobs_outlive_their_original() {
    let house = house().await;
    replicate(&house, "bbb", vec![rule(1, json!({}), "ccc", "Disabled")]).await.unwrap();
    let first = house.put("large", vec![1; 200_000]).await;
    settle(&house).await;
    let version = json!({ "Bucket": "bbb", "Key": "large", "VersionId": first.version_id });
    house.ok::<DeleteObject>(version).await;
    house.pass(Duration::from_secs(3 * 3600)).await;
    house.sweep();
    assert_eq!(read(&house, "ccc", "large").await, vec![1; 200_000]);
    keep_versions(&house, "ccc", "Suspended").await.unwrap();
    house.put("k", "x").await;
    settle(&house).await;
    assert_eq!(head(&house, "bbb", "k").await.unwrap()["ReplicationStatus"], "FAILED");
    let (code, _) = keep_versions(&house, "bbb", "Suspended").await.unwrap_err();
    assert_eq!(code, "InvalidBucketState");
}

#[tokio::test(start_paused = true)]
async fn configurations_that_aws_refuses_are_refused() {
    let house = house().await;
    let refused = |rules: Vec<Value>| replicate(&house, "bbb", rules);
    let (code, text) = refused(vec![rule(1, json!({}), "ddd", "Disabled")]).await.unwrap_err();
    let words = "Destination bucket must exist.";
    assert_eq!((code.as_str(), text.as_str()), ("InvalidRequest", words));
    house.ok::<CreateBucket>(json!({ "Bucket": "ddd" })).await;
    let (_, text) = refused(vec![rule(1, json!({}), "ddd", "Disabled")]).await.unwrap_err();
    assert_eq!(text, "Destination bucket must have versioning enabled.");
    let (_, text) =
        replicate(&house, "ddd", vec![rule(1, json!({}), "ccc", "Disabled")]).await.unwrap_err();
    let words = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
    assert_eq!(text, words);
    let tag = json!({ "Tag": { "Key": "a", "Value": "b" } });
    let (_, text) = refused(vec![rule(1, tag, "ccc", "Enabled")]).await.unwrap_err();
    assert!(text.starts_with("Delete marker replication is not supported if any Tag filter"));
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_locked_as_its_bucket_locks_and_fails_where_that_has_no_locks() {
    let house = house().await;
    let days = json!({ "Mode": "GOVERNANCE", "Days": 7 });
    let lock = |bucket: &str, rule: Value| {
        json!({ "Bucket": bucket,
            "ObjectLockConfiguration": { "ObjectLockEnabled": "Enabled", "Rule": rule } })
    };
    house.ok::<PutObjectLockConfiguration>(lock("ccc", json!({ "DefaultRetention": days }))).await;
    replicate(&house, "bbb", vec![rule(1, json!({}), "ccc", "Enabled")]).await.unwrap();
    house.put("k", "x").await;
    settle(&house).await;
    let copy = head(&house, "ccc", "k").await.unwrap();
    assert_eq!(copy["ObjectLockMode"], "GOVERNANCE");
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    settle(&house).await;
    assert!(head(&house, "ccc", "k").await.is_err(), "markers come along");

    house.ok::<CreateBucket>(json!({ "Bucket": "ddd" })).await;
    keep_versions(&house, "ddd", "Enabled").await.unwrap();
    replicate(&house, "bbb", vec![rule(1, json!({}), "ddd", "Enabled")]).await.unwrap();
    house.ok::<PutObjectLockConfiguration>(lock("bbb", Value::Null)).await;
    house.put("late", "x").await;
    settle(&house).await;
    assert_eq!(head(&house, "bbb", "late").await.unwrap()["ReplicationStatus"], "FAILED");
}
