//! Nobody is told of a change that is not on disk: here the disk is one that takes its time.

#![allow(clippy::unwrap_used)]

mod house;

use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::poll;
use haar_s3_contract::model::*;
use house::{House, put};
use serde_json::json;

/// Whether a future does not end by itself.
async fn waits(mut work: Pin<&mut impl Future>) -> bool {
    for _ in 0..64 {
        if poll!(work.as_mut()).is_ready() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

async fn house() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house.put("old", "settled").await;
    house
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_new_object_waits_for_the_disk_and_who_reads_an_old_one_does_not() {
    let house = house().await;
    let held = house.doors.kv.hold_flushes().unwrap();
    let mut writing = pin!(house.raw::<PutObject>(put("new", "body")));
    assert!(waits(writing.as_mut()).await);

    let key = |key: &str| json!({ "Bucket": "bbb", "Key": key });
    let copy = json!({ "Bucket": "bbb", "Key": "copy", "CopySource": "bbb/new" });
    let list = json!({ "Bucket": "bbb" });
    let mut getting = pin!(house.get("new", None));
    let mut heading = pin!(house.call::<HeadObject>(key("new")));
    let mut tags = pin!(house.call::<GetObjectTagging>(key("new")));
    let mut listing = pin!(house.call::<ListObjectsV2>(list.clone()));
    let mut versions = pin!(house.call::<ListObjectVersions>(list.clone()));
    let mut copying = pin!(house.call::<CopyObject>(copy));
    let mut deleting = pin!(house.call::<DeleteBucket>(list));
    assert!(waits(getting.as_mut()).await);
    assert!(waits(heading.as_mut()).await);
    assert!(waits(tags.as_mut()).await);
    assert!(waits(listing.as_mut()).await);
    assert!(waits(versions.as_mut()).await);
    assert!(waits(copying.as_mut()).await);
    assert!(waits(deleting.as_mut()).await);
    assert_eq!(house.get("old", None).await.unwrap(), "settled");
    assert_eq!(house.call::<HeadObject>(key("none")).await.unwrap_err().0, "NoSuchKey");

    drop(held);
    writing.await.unwrap();
    assert_eq!(getting.await.unwrap(), "body");
    heading.await.unwrap();
    tags.await.unwrap();
    assert_eq!(listing.await.unwrap()["KeyCount"], 2);
    versions.await.unwrap();
    copying.await.unwrap();
    assert_eq!(deleting.await.unwrap_err().0, "BucketNotEmpty");
    let _again = house.doors.kv.hold_flushes().unwrap();
    assert_eq!(house.get("new", None).await.unwrap(), "body", "all of it is on disk");
}

#[tokio::test(start_paused = true)]
async fn who_misses_a_deleted_object_waits_for_the_disk_too() {
    let house = house().await;
    let held = house.doors.kv.hold_flushes().unwrap();
    let key = json!({ "Bucket": "bbb", "Key": "old" });
    let mut deleting = pin!(house.call::<DeleteObject>(key));
    assert!(waits(deleting.as_mut()).await);
    let mut getting = pin!(house.get("old", None));
    assert!(waits(getting.as_mut()).await);
    let mut only_new = put("old", "new");
    only_new.if_match = Some("*".to_owned());
    let mut writing = pin!(house.raw::<PutObject>(only_new));
    assert!(waits(writing.as_mut()).await);
    drop(held);
    deleting.await.unwrap();
    assert_eq!(getting.await.unwrap_err().0, "NoSuchKey");
    assert!(writing.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn uploads_are_listed_and_missed_once_that_is_on_disk() {
    let house = house().await;
    let key = json!({ "Bucket": "bbb", "Key": "k" });
    let begun = house.ok::<CreateMultipartUpload>(key.clone()).await;
    let upload = begun["UploadId"].as_str().unwrap().to_owned();
    let named = json!({ "Bucket": "bbb", "Key": "k", "UploadId": upload });

    let held = house.doors.kv.hold_flushes().unwrap();
    let mut aborting = pin!(house.call::<AbortMultipartUpload>(named.clone()));
    assert!(waits(aborting.as_mut()).await);
    let mut parts = pin!(house.call::<ListParts>(named.clone()));
    let mut uploads = pin!(house.call::<ListMultipartUploads>(json!({ "Bucket": "bbb" })));
    assert!(waits(parts.as_mut()).await);
    assert!(waits(uploads.as_mut()).await);
    drop(held);
    aborting.await.unwrap();
    assert_eq!(parts.await.unwrap_err().0, "NoSuchUpload");
    assert!(uploads.await.unwrap()["Uploads"].as_array().is_none_or(Vec::is_empty));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_reads_or_copies_while_somebody_overwrites_gets_the_one_or_the_other() {
    let house = house().await;
    let writing = async {
        for count in 0..3000 {
            house.put("old", format!("body {count}")).await;
            if count % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    let doors = house.doors.clone();
    #[allow(clippy::disallowed_methods)] // another thread
    let reading = tokio::spawn(async move {
        let principal = std::sync::Arc::new(haar_kernel::Principal::root(Default::default()));
        for _ in 0..3000 {
            let input = GetObjectRequest {
                bucket: "bbb".to_owned(),
                key: "old".to_owned(),
                ..Default::default()
            };
            let region = haar_types::Region::default();
            let read = doors.call::<GetObject>(principal.clone(), &region, input).await.unwrap();
            let copy = CopyObjectRequest {
                bucket: "bbb".to_owned(),
                key: "copy".to_owned(),
                copy_source: "bbb/old".to_owned(),
                ..Default::default()
            };
            doors.call::<CopyObject>(principal.clone(), &region, copy).await.unwrap();
            let whole = haar_s3_contract::whole(read, 1 << 20).await.unwrap();
            assert!(whole.starts_with(b"body ") || whole == "settled");
        }
    });
    writing.await;
    reading.await.unwrap();
}
