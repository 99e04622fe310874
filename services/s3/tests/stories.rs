//! The room's operations through a kernel, on simulated time.

#![allow(clippy::unwrap_used)]

mod house;

use std::time::Duration;

use futures_util::StreamExt as _;
use haar_s3_contract::model::*;
use haar_types::{AccountId, Region};
use house::{House, put};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn house_with_bucket() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house
}

async fn keep_versions(house: &House) {
    let input = json!({ "Bucket": "bbb", "VersioningConfiguration": { "Status": "Enabled" } });
    house.ok::<PutBucketVersioning>(input).await;
}

async fn page(house: &House, input: Value) -> (Vec<String>, Vec<String>, Option<String>) {
    let output = house.ok::<ListObjectsV2>(input).await;
    let texts = |list: &Value, member: &str| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().map(|one| one[member].as_str().unwrap().to_owned()).collect()
    };
    let next = output["NextContinuationToken"].as_str().map(str::to_owned);
    (texts(&output["Contents"], "Key"), texts(&output["CommonPrefixes"], "Prefix"), next)
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_made_once_and_goes_when_it_is_empty() {
    let house = house_with_bucket().await;
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    let there = json!({ "Bucket": "bbb", "CreateBucketConfiguration": {
        "LocationConstraint": "eu-west-1" } });
    let (code, _) = house.call::<CreateBucket>(there).await.unwrap_err();
    assert_eq!(code, "BucketAlreadyOwnedByYou");
    let nowhere = json!({ "Bucket": "c1c", "CreateBucketConfiguration": {
        "LocationConstraint": "us-east-1" } });
    let (code, _) = house.call::<CreateBucket>(nowhere).await.unwrap_err();
    assert_eq!(code, "InvalidLocationConstraint");
    let (code, _) = house.call::<CreateBucket>(json!({ "Bucket": "B_" })).await.unwrap_err();
    assert_eq!(code, "InvalidBucketName");
    house.put("k", "x").await;
    let (code, _) =
        house.call::<CreateBucket>(json!({ "Bucket": "amzn-s3-demo-b" })).await.unwrap_err();
    assert_eq!(code, "InvalidBucketName");
    let full = house.call::<DeleteBucket>(json!({ "Bucket": "bbb" })).await.unwrap_err();
    let text = "The bucket you tried to delete is not empty";
    assert_eq!(full, ("BucketNotEmpty".to_owned(), text.to_owned()));
    let versioned = json!({ "Bucket": "ver" });
    house.ok::<CreateBucket>(versioned.clone()).await;
    let keeps = json!({ "Bucket": "ver", "VersioningConfiguration": { "Status": "Enabled" } });
    house.ok::<PutBucketVersioning>(keeps).await;
    house.ok::<DeleteObject>(json!({ "Bucket": "ver", "Key": "k" })).await;
    let full = house.call::<DeleteBucket>(versioned).await.unwrap_err();
    let text = format!("{text}. You must delete all versions in the bucket.");
    assert_eq!(full, ("BucketNotEmpty".to_owned(), text));
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    house.ok::<DeleteBucket>(json!({ "Bucket": "bbb" })).await;
    let (code, _) = house.call::<HeadBucket>(json!({ "Bucket": "bbb" })).await.unwrap_err();
    assert_eq!(code, "NoSuchBucket");
}

#[tokio::test(start_paused = true)]
async fn what_configurations_and_listings_may_not_say_is_refused() {
    let house = house_with_bucket().await;
    let lifecycle = async |filter: Value, expiration: Value| {
        let rule = json!({ "Status": "Enabled", "Filter": filter, "Expiration": expiration });
        let input = json!({ "Bucket": "bbb", "LifecycleConfiguration": { "Rules": [rule] } });
        let outcome = house.call::<PutBucketLifecycleConfiguration>(input).await;
        outcome.err().map(|(code, _)| code)
    };
    let (tag, day) = (json!({ "Key": "a", "Value": "b" }), json!({ "Days": 1 }));
    let beside = lifecycle(json!({ "Prefix": "a", "Tag": tag }), day.clone()).await;
    assert_eq!(beside.as_deref(), Some("MalformedXML"));
    let marker = json!({ "ExpiredObjectDeleteMarker": true });
    let tagged = lifecycle(json!({ "Tag": tag }), marker).await;
    assert_eq!(tagged.as_deref(), Some("InvalidRequest"));
    for (more, less, refused) in [(10, 10, Some("InvalidRequest")), (10, 12, None)] {
        let sizes = json!({ "ObjectSizeGreaterThan": more, "ObjectSizeLessThan": less });
        let crossed = lifecycle(json!({ "And": sizes }), day.clone()).await;
        assert_eq!(crossed.as_deref(), refused);
    }
    let input = json!({ "Bucket": "bbb", "CORSConfiguration": { "CORSRules": [
        { "AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["*"] } ] } });
    let (code, _) = house.call::<PutBucketCors>(input).await.unwrap_err();
    assert_eq!(code, "InvalidRequest");
    let input = json!({ "Bucket": "bbb", "ContinuationToken": "" });
    let (code, _) = house.call::<ListObjectsV2>(input).await.unwrap_err();
    assert_eq!(code, "InvalidArgument");
    for (to, refused) in [("foo", true), ("/foo", false), ("https://foo", false)] {
        let mut input = put("k", "x");
        input.website_redirect_location = Some(to.to_owned());
        assert_eq!(house.raw::<PutObject>(input).await.is_err(), refused, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_looks_past_markers_however_many() {
    let house = house_with_bucket().await;
    keep_versions(&house).await;
    for number in 0..1500 {
        let gone = json!({ "Bucket": "bbb", "Key": format!("gone/{number:04}") });
        house.ok::<DeleteObject>(gone).await;
    }
    house.put("there", "x").await;
    let (keys, prefixes, next) = page(&house, json!({ "Bucket": "bbb", "Delimiter": "/" })).await;
    assert_eq!((keys, prefixes, next), (vec!["there".to_owned()], vec![], None));
}

#[tokio::test(start_paused = true)]
async fn of_a_deleted_bucket_no_upload_and_no_part_is_left() {
    let house = house_with_bucket().await;
    house.ok::<CreateBucket>(json!({ "Bucket": "other" })).await;
    for bucket in ["bbb", "other"] {
        let begin = json!({ "Bucket": bucket, "Key": "k" });
        let begun = house.ok::<CreateMultipartUpload>(begin).await;
        for number in 1..=3 {
            let part = UploadPartRequest {
                bucket: bucket.to_owned(),
                key: "k".to_owned(),
                upload_id: begun["UploadId"].as_str().unwrap().to_owned(),
                part_number: number,
                body: format!("{bucket} {number}").into(),
                ..Default::default()
            };
            house.raw::<UploadPart>(part).await.unwrap();
        }
    }
    assert_eq!(house.held(), 6);
    house.ok::<DeleteBucket>(json!({ "Bucket": "bbb" })).await;
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(house.held(), 3);
    assert_eq!(house.records(&["s3.upload", "s3.part"]), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_into_a_bucket_that_is_being_deleted() {
    let house = House::unflushed();
    let made = house.call::<CreateBucket>(json!({ "Bucket": "bbb" }));
    let (made, ()) = futures_util::join!(made, flushed(&house));
    made.unwrap();
    let mut deleted = std::pin::pin!(house.call::<DeleteBucket>(json!({ "Bucket": "bbb" })));
    assert!(futures_util::poll!(deleted.as_mut()).is_pending());
    let (code, _) = house.raw::<PutObject>(put("k", "x")).await.unwrap_err();
    assert_eq!(code, "NoSuchBucket");
    let (deleted, ()) = futures_util::join!(deleted, flushed(&house));
    deleted.unwrap();
    assert_eq!(house.records(&["s3.object", "s3.body"]), 0);
}

async fn flushed(house: &House) {
    house.doors.ledger.flush_due().await;
    house.doors.ledger.flush();
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_bucket_that_is_none_go_with_their_bytes() {
    let house = house_with_bucket().await;
    keep_versions(&house).await;
    for body in [vec![1_u8; 200_000], vec![2; 200_000], vec![3; 3_000]] {
        house.put("k", body).await;
    }
    let spaces = ["s3.object", "s3.version", "s3.body", "s3.held"];
    let before = spaces.map(|space| house.records(&[space]));
    assert_eq!(before, [1, 2, 1, 2]);
    // the bucket's id stands before its records, and behind a digest
    for (space, at) in spaces.into_iter().zip([0, 0, 0, 32]) {
        let space = house.doors.kv.keyspace(space).unwrap();
        for entry in space.all().collect::<Result<Vec<_>, _>>().unwrap() {
            let mut key = entry.key.to_vec();
            key[at] ^= 1;
            space.put(key, entry.value).unwrap();
        }
    }
    house.ok::<CreateBucket>(json!({ "Bucket": "other" })).await;
    house.ok::<DeleteBucket>(json!({ "Bucket": "other" })).await;
    house.pass(Duration::from_secs(1)).await;
    assert_eq!(spaces.map(|space| house.records(&[space])), before);
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_on_behind_what_it_folded() {
    let house = house_with_bucket().await;
    for key in ["a", "d/1", "d/2", "d/3", "d0", "e/\0x", "f"] {
        house.put(key, "x").await;
    }
    let asked = json!({ "Bucket": "bbb", "Delimiter": "/", "MaxKeys": 2 });
    let (keys, prefixes, next) = page(&house, asked.clone()).await;
    assert_eq!((keys, prefixes), (vec!["a".to_owned()], vec!["d/".to_owned()]));
    let mut asked = asked;
    asked["ContinuationToken"] = json!(next.unwrap());
    let (keys, prefixes, next) = page(&house, asked.clone()).await;
    assert_eq!((keys, prefixes), (vec!["d0".to_owned()], vec!["e/".to_owned()]));
    asked["ContinuationToken"] = json!(next.unwrap());
    let (keys, prefixes, next) = page(&house, asked.clone()).await;
    assert_eq!((keys, prefixes, next), (vec!["f".to_owned()], vec![], None));

    let after = json!({ "Bucket": "bbb", "Prefix": "d/", "StartAfter": "d/1", "MaxKeys": 1 });
    let (keys, _, next) = page(&house, after).await;
    assert_eq!(keys, ["d/2"]);
    assert!(next.is_some());
    let none = json!({ "Bucket": "bbb", "MaxKeys": 0 });
    assert_eq!(page(&house, none).await, (vec![], vec![], None));
}

#[tokio::test(start_paused = true)]
async fn bytes_go_when_no_version_needs_them() {
    let house = house_with_bucket().await;
    let large = vec![7_u8; 200_000];
    house.put("k", large.clone()).await;
    let source = json!({ "Bucket": "bbb", "Key": "copy", "CopySource": "bbb/k" });
    house.ok::<CopyObject>(source).await;
    assert_eq!(house.held(), 1);
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    assert_eq!(house.held(), 1);
    assert_eq!(house.get("copy", None).await.unwrap(), large);
    house.put("copy", "small").await;
    assert_eq!(house.held(), 0);
    assert_eq!(house.get("copy", None).await.unwrap(), "small");
}

#[tokio::test(start_paused = true)]
async fn who_reads_an_object_gets_all_of_it_though_it_goes_meanwhile() {
    let house = house_with_bucket().await;
    let begun = house.ok::<CreateMultipartUpload>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    let mut parts = Vec::new();
    for (number, size) in [(1, 5 << 20), (2, 100_000)] {
        let part = UploadPartRequest {
            bucket: "bbb".to_owned(),
            key: "k".to_owned(),
            upload_id: begun["UploadId"].as_str().unwrap().to_owned(),
            part_number: number,
            body: vec![number as u8; size].into(),
            ..Default::default()
        };
        let etag = house.raw::<UploadPart>(part).await.unwrap().e_tag;
        parts.push(json!({ "PartNumber": number, "ETag": etag }));
    }
    let done = json!({ "Bucket": "bbb", "Key": "k", "UploadId": begun["UploadId"],
        "MultipartUpload": { "Parts": parts } });
    house.ok::<CompleteMultipartUpload>(done).await;
    let hour = Duration::from_secs(3600);
    house.pass(hour).await;
    assert_eq!(house.sweep(), 0);
    let (bucket, key) = ("bbb".to_owned(), "k".to_owned());
    let input = GetObjectRequest { bucket, key, ..Default::default() };
    let mut pieces = house.raw::<GetObject>(input).await.unwrap().body.into_stream();
    let mut read = pieces.next().await.unwrap().unwrap().len();
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    while let Some(piece) = pieces.next().await {
        read += piece.unwrap().len();
        house.pass(hour).await; // in which the reader stands still
        assert_eq!((house.sweep(), house.held()), (0, 0));
    }
    assert_eq!(read, (5 << 20) + 100_000);
    drop(pieces);
    assert_eq!(house.sweep(), 2);
}

#[tokio::test(start_paused = true)]
async fn versions_are_stacked_and_the_next_comes_up() {
    let house = house_with_bucket().await;
    house.put("k", "null").await;
    keep_versions(&house).await;
    let one = house.put("k", "one").await.version_id.unwrap();
    let two = house.put("k", "two").await.version_id.unwrap();
    assert_eq!(house.get("k", Some("null")).await.unwrap(), "null");
    assert_eq!(house.get("k", Some(&one)).await.unwrap(), "one");
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k", "VersionId": two })).await;
    assert_eq!(house.get("k", None).await.unwrap(), "one");
    let marked = house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    assert_eq!(marked["DeleteMarker"], true);
    assert_eq!(house.get("k", None).await.unwrap_err().0, "NoSuchKey");
    let marker = marked["VersionId"].as_str().unwrap();
    assert_eq!(house.get("k", Some(marker)).await.unwrap_err().0, "MethodNotAllowed");
    assert_eq!(house.get("k", Some("x")).await.unwrap_err().0, "InvalidArgument");
    assert_eq!(house.versions().await, ["k", "k", "k!"]);
}

#[tokio::test(start_paused = true)]
async fn locked_versions_stay_until_their_time() {
    let house = House::new();
    let made = json!({ "Bucket": "bbb", "ObjectLockEnabledForBucket": true });
    house.ok::<CreateBucket>(made).await;
    let rule = json!({ "DefaultRetention": { "Mode": "GOVERNANCE", "Days": 1 } });
    let config = json!({ "ObjectLockEnabled": "Enabled", "Rule": rule });
    let input = json!({ "Bucket": "bbb", "ObjectLockConfiguration": config });
    house.ok::<PutObjectLockConfiguration>(input).await;
    let id = house.put("k", "x").await.version_id.unwrap();
    let mut doomed = json!({ "Bucket": "bbb", "Key": "k", "VersionId": id });
    let (code, text) = house.call::<DeleteObject>(doomed.clone()).await.unwrap_err();
    assert_eq!(
        (&*code, &*text),
        ("AccessDenied", "Access Denied because object protected by object lock.")
    );
    let hold = json!({ "Bucket": "bbb", "Key": "k", "LegalHold": { "Status": "ON" } });
    house.ok::<PutObjectLegalHold>(hold).await;
    doomed["BypassGovernanceRetention"] = json!(true);
    house.call::<DeleteObject>(doomed.clone()).await.unwrap_err();
    let free = json!({ "Bucket": "bbb", "Key": "k", "LegalHold": { "Status": "OFF" } });
    house.ok::<PutObjectLegalHold>(free).await;
    house.pass(DAY).await;
    doomed["BypassGovernanceRetention"] = json!(false);
    house.ok::<DeleteObject>(doomed).await;
    assert_eq!(house.versions().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn lifecycle_rules_act_at_midnight() {
    let house = house_with_bucket().await;
    keep_versions(&house).await;
    let rules = json!([
        { "ID": "old", "Status": "Enabled", "Filter": { "Prefix": "tmp/" },
          "Expiration": { "Days": 1 }, "NoncurrentVersionExpiration": { "NoncurrentDays": 1 } },
        { "ID": "parts", "Status": "Enabled", "Filter": { "Prefix": "" },
          "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 2 } },
        { "ID": "off", "Status": "Disabled", "Filter": { "Prefix": "" },
          "Expiration": { "Days": 1 } },
    ]);
    let input = json!({ "Bucket": "bbb", "LifecycleConfiguration": { "Rules": rules } });
    house.ok::<PutBucketLifecycleConfiguration>(input).await;
    house.put("tmp/a", "x").await;
    house.put("kept", "x").await;
    let begun = house.ok::<CreateMultipartUpload>(json!({ "Bucket": "bbb", "Key": "p" })).await;
    house.pass(DAY).await; // the midnight in between is less than a day after
    assert_eq!(house.versions().await, ["kept", "tmp/a"]);
    house.pass(DAY).await;
    assert_eq!(house.versions().await, ["kept", "tmp/a", "tmp/a!"]);
    let parts = json!({ "Bucket": "bbb", "Key": "p", "UploadId": begun["UploadId"] });
    house.ok::<ListParts>(parts.clone()).await;
    house.pass(DAY * 2).await; // the version goes, then the marker that is left alone
    assert_eq!(house.versions().await, ["kept"]);
    assert_eq!(house.call::<ListParts>(parts).await.unwrap_err().0, "NoSuchUpload");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_name_is_given_one_of_forty_eight_characters() {
    let house = house_with_bucket().await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let config = json!({ "QueueConfigurations":
        [{ "QueueArn": queue, "Events": ["s3:ObjectCreated:*"] }] });
    let put = json!({ "Bucket": "bbb", "NotificationConfiguration": config });
    house.ok::<PutBucketNotificationConfiguration>(put).await;
    let bucket = json!({ "Bucket": "bbb" });
    let shown = house.ok::<GetBucketNotificationConfiguration>(bucket.clone()).await;
    let id = |shown: &Value| shown["Id"].as_str().or(shown["ID"].as_str()).unwrap().len();
    assert_eq!(id(&shown["QueueConfigurations"][0]), 48);
    let rule = json!({ "Status": "Enabled", "Filter": {}, "Expiration": { "Days": 1 } });
    let put = json!({ "Bucket": "bbb", "LifecycleConfiguration": { "Rules": [rule] } });
    house.ok::<PutBucketLifecycleConfiguration>(put).await;
    let shown = house.ok::<GetBucketLifecycleConfiguration>(bucket).await;
    assert_eq!(id(&shown["Rules"][0]), 48);
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_of_what_their_filters_let_through() {
    let house = house_with_bucket().await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let rules =
        json!([{ "Name": "Prefix", "Value": "in/" }, { "Name": "suffix", "Value": ".jpg" }]);
    let config = json!({
        "QueueConfigurations": [{ "Id": "pictures", "QueueArn": queue,
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": { "Key": { "FilterRules": rules } } }],
    });
    let input = json!({ "Bucket": "bbb", "NotificationConfiguration": config });
    house.ok::<PutBucketNotificationConfiguration>(input.clone()).await;
    assert_eq!(house.queue.taken.lock()[0]["Event"], "s3:TestEvent");

    house.queue.refusals.lock().extend([true, true]);
    house.put("in/a b.jpg", "xyz").await;
    house.put("in/a.png", "x").await;
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "in/a b.jpg" })).await;
    house.pass(Duration::from_secs(60)).await;
    let mut taken = house.queue.taken.lock().split_off(1);
    taken.sort_by_key(|body| body["Records"][0]["eventName"].as_str().unwrap().to_owned());
    assert_eq!(taken.len(), 2);
    let record = &taken[0]["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:Put");
    assert_eq!(record["s3"]["configurationId"], "pictures");
    assert_eq!(record["s3"]["object"]["key"], "in/a+b.jpg");
    assert_eq!(record["s3"]["object"]["size"], 3);
    let sequencer = |body: &Value| body["Records"][0]["s3"]["object"]["sequencer"].to_string();
    assert!(sequencer(&taken[0]) < sequencer(&taken[1]));
    assert_eq!(taken[1]["Records"][0]["eventName"], "ObjectRemoved:Delete");

    house.queue.refusals.lock().push(false);
    let (code, text) = house.call::<PutBucketNotificationConfiguration>(input).await.unwrap_err();
    assert_eq!(code, "InvalidArgument");
    assert_eq!(text, "Unable to validate the following destination configurations");
}

#[tokio::test(start_paused = true)]
async fn the_bus_hears_of_everything() {
    let house = house_with_bucket().await;
    let config = json!({ "EventBridgeConfiguration": {} });
    let input = json!({ "Bucket": "bbb", "NotificationConfiguration": config });
    house.ok::<PutBucketNotificationConfiguration>(input).await;
    house.put("k", "x").await;
    house.pass(Duration::from_secs(1)).await;
    let event = house.queue.taken.lock()[0].clone();
    assert_eq!(
        (&event["source"], &event["detail-type"]),
        (&json!("aws.s3"), &json!("Object Created"))
    );
    assert_eq!(event["detail"]["object"]["key"], "k");
    assert_eq!(event["detail"]["reason"], "PutObject");
}

#[tokio::test(start_paused = true)]
async fn lists_have_no_say_where_the_owner_has_all() {
    let house = house_with_bucket().await;
    let listed = PutObjectRequest { acl: Some(ObjectCannedACL::PublicRead), ..put("k", "x") };
    assert_eq!(
        house.raw::<PutObject>(listed).await.err().unwrap().0,
        "AccessControlListNotSupported"
    );
    let full = Some(ObjectCannedACL::BucketOwnerFullControl);
    house.raw::<PutObject>(PutObjectRequest { acl: full, ..put("k", "x") }).await.ok().unwrap();
    let rules = json!([{ "ObjectOwnership": "ObjectWriter" }]);
    let input = json!({ "Bucket": "bbb", "OwnershipControls": { "Rules": rules } });
    house.ok::<PutBucketOwnershipControls>(input).await;
    let public = json!({ "Bucket": "bbb", "Key": "k", "ACL": "public-read" });
    let (code, _) = house.call::<PutObjectAcl>(public.clone()).await.unwrap_err();
    assert_eq!(code, "AccessDenied"); // new buckets block public lists
    house.ok::<DeletePublicAccessBlock>(json!({ "Bucket": "bbb" })).await;
    house.ok::<PutObjectAcl>(public).await;
    let shown = house.ok::<GetObjectAcl>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    assert_eq!(shown["Grants"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_copy_takes_over_what_it_is_not_told() {
    let house = house_with_bucket().await;
    let metadata = Some([("a".to_owned(), "1".to_owned())].into());
    let tagging = Some("t=1".to_owned());
    house
        .raw::<PutObject>(PutObjectRequest { metadata, tagging, ..put("k", "x") })
        .await
        .ok()
        .unwrap();
    let copy = json!({ "Bucket": "bbb", "Key": "c", "CopySource": "bbb/k" });
    house.ok::<CopyObject>(copy).await;
    let head = house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "c" })).await;
    assert_eq!((&head["Metadata"]["a"], &head["TagCount"]), (&json!("1"), &json!(1)));
    let same = json!({ "Bucket": "bbb", "Key": "k", "CopySource": "bbb/k" });
    assert_eq!(house.call::<CopyObject>(same.clone()).await.unwrap_err().0, "InvalidRequest");
    let mut replaced = same;
    replaced["MetadataDirective"] = json!("REPLACE");
    replaced["Metadata"] = json!({ "b": "2" });
    house.ok::<CopyObject>(replaced).await;
    let head = house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    assert_eq!(head["Metadata"], json!({ "b": "2" }));
    let failing = json!({ "Bucket": "bbb", "Key": "d", "CopySource": "bbb/k",
        "CopySourceIfNoneMatch": "*" });
    assert_eq!(house.call::<CopyObject>(failing).await.unwrap_err().0, "PreconditionFailed");
}

#[tokio::test(start_paused = true)]
async fn public_policies_are_blocked_until_the_block_is_lifted() {
    let house = house_with_bucket().await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bbb/*" }] });
    let input = json!({ "Bucket": "bbb", "Policy": policy.to_string() });
    assert_eq!(house.call::<PutBucketPolicy>(input.clone()).await.unwrap_err().0, "AccessDenied");
    house.ok::<DeletePublicAccessBlock>(json!({ "Bucket": "bbb" })).await;
    house.ok::<PutBucketPolicy>(input).await;
    let status = house.ok::<GetBucketPolicyStatus>(json!({ "Bucket": "bbb" })).await;
    assert_eq!(status["PolicyStatus"]["IsPublic"], true);
    let foreign = policy.to_string().replace(":::bbb/", ":::ccc/");
    let input = json!({ "Bucket": "bbb", "Policy": foreign });
    let (code, text) = house.call::<PutBucketPolicy>(input).await.unwrap_err();
    assert_eq!((&*code, &*text), ("MalformedPolicy", "Policy has invalid resource"));
}

#[tokio::test(start_paused = true)]
async fn the_expected_owner_must_be_the_owner() {
    let house = house_with_bucket().await;
    let mut input = json!({ "Bucket": "bbb", "ExpectedBucketOwner": "123456789012" });
    assert_eq!(house.call::<HeadBucket>(input.clone()).await.unwrap_err().0, "AccessDenied");
    input["ExpectedBucketOwner"] = json!(AccountId::default().to_string());
    let head = house.ok::<HeadBucket>(input).await;
    assert_eq!(head["BucketRegion"], Region::default().to_string());
}

#[tokio::test(start_paused = true)]
async fn configurations_of_metrics_and_inventories_are_kept_by_their_ids() {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    let of = |id: &str| json!({ "Bucket": "bbb", "Id": id });
    let mut metrics = of("all");
    metrics["MetricsConfiguration"] = json!({ "Id": "all" });
    house.ok::<PutBucketMetricsConfiguration>(metrics.clone()).await;
    metrics["Id"] = json!("other");
    let refused = house.call::<PutBucketMetricsConfiguration>(metrics).await.unwrap_err();
    assert_eq!(refused.0, "MalformedXML");
    let seen = house.ok::<GetBucketMetricsConfiguration>(of("all")).await;
    assert_eq!(seen["MetricsConfiguration"]["Id"], "all");
    let mut inventory = of("daily");
    inventory["InventoryConfiguration"] = json!({ "Id": "daily", "IsEnabled": true,
        "IncludedObjectVersions": "Current", "Schedule": { "Frequency": "Daily" },
        "Destination": { "S3BucketDestination":
            { "Bucket": "arn:aws:s3:::bbb", "Format": "CSV" } } });
    house.ok::<PutBucketInventoryConfiguration>(inventory).await;
    let listed = house.ok::<ListBucketInventoryConfigurations>(json!({ "Bucket": "bbb" })).await;
    assert_eq!(listed["InventoryConfigurationList"][0]["Schedule"]["Frequency"], "Daily");
    house.ok::<DeleteBucketInventoryConfiguration>(of("daily")).await;
    let gone = house.call::<DeleteBucketInventoryConfiguration>(of("daily")).await.unwrap_err();
    assert_eq!(gone.0, "NoSuchConfiguration");
    let none = house.call::<GetBucketAnalyticsConfiguration>(of("x")).await.unwrap_err();
    assert_eq!(none.0, "NoSuchConfiguration");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_takes_the_canned_lists_of_objects_and_of_logs() {
    let house = House::new();
    let make = async |name: &str, acl: &str| {
        let ownership = "BucketOwnerPreferred";
        let input = json!({ "Bucket": name, "ACL": acl, "ObjectOwnership": ownership });
        house.call::<CreateBucket>(input).await.map_err(|(code, _)| code)
    };
    for (name, acl) in [
        ("own", "bucket-owner-full-control"),
        ("read", "bucket-owner-read"),
        ("exec", "aws-exec-read"),
    ] {
        make(name, acl).await.unwrap();
        let found = house.ok::<GetBucketAcl>(json!({ "Bucket": name })).await;
        assert_eq!(found["Grants"].as_array().unwrap().len(), 1, "{acl}");
    }
    make("logs", "log-delivery-write").await.unwrap();
    let found = house.ok::<GetBucketAcl>(json!({ "Bucket": "logs" })).await;
    assert_eq!(found["Grants"].as_array().unwrap().len(), 3);
    assert_eq!(make("other", "public-write").await.unwrap_err(), "InvalidArgument");
    let put = json!({ "Bucket": "own", "ACL": "log-delivery-write" });
    house.ok::<PutBucketAcl>(put).await;
}
