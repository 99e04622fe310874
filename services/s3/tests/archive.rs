//! Archived objects, and what is restored of them, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use haar_s3_contract::model::*;
use house::{House, put};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);

async fn house_with(class: StorageClass) -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    let input = PutObjectRequest { storage_class: Some(class), ..put("k", "archived") };
    house.raw::<PutObject>(input).await.unwrap();
    house
}

fn restore(tier: &str, days: i32) -> Value {
    json!({ "Bucket": "bbb", "Key": "k", "RestoreRequest": {
        "Days": days, "GlacierJobParameters": { "Tier": tier } } })
}

async fn head(house: &House) -> (Value, Value) {
    let head = house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    (head["StorageClass"].clone(), head["Restore"].clone())
}

#[tokio::test(start_paused = true)]
async fn an_archived_object_is_read_between_its_restoration_and_its_end() {
    let house = house_with(StorageClass::Glacier).await;
    let (code, text) = house.get("k", None).await.unwrap_err();
    assert_eq!(code, "InvalidObjectState");
    assert_eq!(text, "The operation is not valid for the object's storage class");
    let copy = json!({ "Bucket": "bbb", "Key": "copy", "CopySource": "bbb/k" });
    let (code, _) = house.call::<CopyObject>(copy.clone()).await.unwrap_err();
    assert_eq!(code, "ObjectNotInActiveTierError");
    assert_eq!(head(&house).await, (json!("GLACIER"), Value::Null));

    house.ok::<RestoreObject>(restore("Standard", 1)).await;
    assert_eq!(head(&house).await.1, json!("ongoing-request=\"true\""));
    let (code, text) = house.call::<RestoreObject>(restore("Standard", 1)).await.unwrap_err();
    assert_eq!(code, "RestoreAlreadyInProgress");
    assert_eq!(text, "Object restore is already in progress");
    house.pass(HOUR * 2).await;
    assert!(house.get("k", None).await.is_err());
    house.pass(HOUR).await;
    assert_eq!(house.get("k", None).await.unwrap(), "archived");
    let shown = "ongoing-request=\"false\", expiry-date=\"Sun, 17 Jan 2027 00:00:00 GMT\"";
    assert_eq!(head(&house).await.1, json!(shown));
    let listed = house
        .ok::<ListObjectsV2>(json!({ "Bucket": "bbb",
            "OptionalObjectAttributes": ["RestoreStatus"] }))
        .await;
    let status = &listed["Contents"][0]["RestoreStatus"];
    assert_eq!(status["IsRestoreInProgress"], false);
    house.ok::<CopyObject>(copy).await;
    assert_eq!(house.get("copy", None).await.unwrap(), "archived");

    house.pass(HOUR * 48).await;
    assert_eq!(head(&house).await.1, Value::Null);
    assert!(house.get("k", None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_faster_tier_takes_over_and_a_copy_is_kept_for_longer() {
    let house = house_with(StorageClass::Glacier).await;
    house.ok::<RestoreObject>(restore("Bulk", 1)).await;
    house.ok::<RestoreObject>(restore("Expedited", 9)).await;
    house.pass(Duration::from_secs(61)).await;
    let shown = head(&house).await.1;
    assert!(shown.as_str().unwrap().contains("17 Jan 2027"), "as long as first asked: {shown}");
    house.ok::<RestoreObject>(restore("Bulk", 4)).await;
    assert!(head(&house).await.1.as_str().unwrap().contains("20 Jan 2027"));
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_of_a_restoration_thrice() {
    let house = house_with(StorageClass::DeepArchive).await;
    let config = json!({ "Bucket": "bbb", "NotificationConfiguration": { "QueueConfigurations": [
        { "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
          "Events": ["s3:ObjectRestore:*"] } ] } });
    house.ok::<PutBucketNotificationConfiguration>(config).await;
    house.pass(Duration::from_secs(1)).await;
    house.queue.taken.lock().clear();
    let expedited = house.call::<RestoreObject>(restore("Expedited", 1)).await.unwrap_err();
    assert_eq!(expedited.0, "InvalidArgument");
    house.ok::<RestoreObject>(restore("Standard", 1)).await;
    house.pass(HOUR * 13).await;
    house.pass(HOUR * 48).await;
    let taken = house.queue.taken.lock().clone();
    let names: Vec<&str> =
        taken.iter().map(|one| one["Records"][0]["eventName"].as_str().unwrap()).collect();
    assert_eq!(names, ["ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete"]);
    let completed = &taken[1]["Records"][0]["glacierEventData"]["restoreEventData"];
    assert_eq!(completed["lifecycleRestoreStorageClass"], "DEEP_ARCHIVE");
    assert_eq!(completed["lifecycleRestorationExpiryTime"], "2027-01-17T00:00:00.000Z");
}

#[tokio::test(start_paused = true)]
async fn a_lifecycle_rule_archives_and_what_is_not_archived_is_not_restored() {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house.put("k", "live").await;
    let (code, text) = house.call::<RestoreObject>(restore("Bulk", 1)).await.unwrap_err();
    assert_eq!(code, "InvalidObjectState");
    assert_eq!(text, "Restore is not allowed for the object's current storage class");
    let rules = json!({ "Bucket": "bbb",
        "TransitionDefaultMinimumObjectSize": "varies_by_storage_class",
        "LifecycleConfiguration": { "Rules": [
        { "Status": "Enabled", "Filter": { "Prefix": "" },
          "Transitions": [ { "Days": 0, "StorageClass": "GLACIER" } ] } ] } });
    house.ok::<PutBucketLifecycleConfiguration>(rules).await;
    house.pass(HOUR * 24).await;
    assert_eq!(head(&house).await.0, json!("GLACIER"));
    assert_eq!(house.get("k", None).await.unwrap_err().0, "InvalidObjectState");
}

#[tokio::test(start_paused = true)]
async fn each_class_is_billed_as_what_it_is() {
    for (class, request, stored, retrieved) in [
        (StorageClass::Standard, "requests/write", "kib-ms/standard", "none"),
        (StorageClass::StandardIa, "requests/infrequent", "kib-ms/standard-ia", "infrequent"),
        (StorageClass::OnezoneIa, "requests/infrequent", "kib-ms/onezone-ia", "infrequent"),
        (StorageClass::GlacierIr, "requests/glacier-ir", "kib-ms/glacier-ir", "glacier-ir"),
    ] {
        let house = house_with(class).await;
        house.get("k", None).await.unwrap();
        house.pass(HOUR).await;
        let held = house.bill.sum(stored);
        assert!((3_500_000..=3_600_000).contains(&held), "{stored}: {held}");
        let others = ["standard", "standard-ia", "onezone-ia", "glacier-ir"];
        let all = others.map(|one| house.bill.sum(&format!("kib-ms/{one}")));
        assert_eq!(all.iter().sum::<u64>(), held, "{stored}");
        assert_eq!(house.bill.sum(request), 1, "{request}");
        let read = ["infrequent", "glacier-ir"];
        let read = read.map(|one| house.bill.sum(&format!("kib-retrieved/{one}")) as usize);
        assert_eq!(read, ["infrequent", "glacier-ir"].map(|one| usize::from(one == retrieved)));
        house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
        house.pass(HOUR).await;
        let held = house.bill.sum(stored);
        assert!(held < 3_700_000, "{stored} is held no more: {held}");
    }
}
