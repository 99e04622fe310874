//! What requests say beside the bytes: kept, acted upon or refused, never passed over.

#![allow(clippy::unwrap_used)]

mod house;

use haar_s3_contract::model::*;
use haar_types::AccountId;
use house::{House, put};
use serde_json::json;

async fn house() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house
}

#[tokio::test(start_paused = true)]
async fn every_checksum_of_the_model_is_computed_and_compared() {
    let house = house().await;
    for algorithm in ["XXHASH64", "XXHASH3", "XXHASH128", "SHA512", "MD5"] {
        let mut input = put("k", "body");
        input.checksum_algorithm = algorithm.parse().ok();
        let written = house.raw::<PutObject>(input).await.unwrap();
        let shown = [
            written.checksum_xxhash64.clone(),
            written.checksum_xxhash3.clone(),
            written.checksum_xxhash128.clone(),
            written.checksum_sha512.clone(),
            written.checksum_md5.clone(),
        ];
        assert_eq!(shown.iter().flatten().count(), 1, "{algorithm}");
        let head = json!({ "Bucket": "bbb", "Key": "k", "ChecksumMode": "ENABLED" });
        let head = house.ok::<HeadObject>(head).await;
        assert_eq!(head["ChecksumType"], "FULL_OBJECT");
    }
    let mut wrong = put("k", "body");
    wrong.checksum_xxhash64 = Some("AAAAAAAAAAA=".to_owned());
    let refused = house.raw::<PutObject>(wrong).await.unwrap_err();
    assert_eq!(refused.0, "BadDigest");
}

#[tokio::test(start_paused = true)]
async fn the_checksum_mode_is_read_in_small_letters_too() {
    let house = house().await;
    house.raw::<PutObject>(put("k", "body")).await.unwrap();
    let read = async |mode: &str| {
        let head = json!({ "Bucket": "bbb", "Key": "k", "ChecksumMode": mode });
        let get = GetObjectRequest {
            bucket: "bbb".to_owned(),
            key: "k".to_owned(),
            checksum_mode: Some(mode.to_owned()),
            ..Default::default()
        };
        let got = house.raw::<GetObject>(get).await;
        (house.call::<HeadObject>(head).await, got.map(|got| got.checksum_crc64_nvme))
    };
    for mode in ["ENABLED", "enabled"] {
        let (head, got) = read(mode).await;
        assert!(head.unwrap()["ChecksumCRC64NVME"].is_string() && got.unwrap().is_some(), "{mode}");
    }
    let (head, got) = read("yes").await;
    for (code, text) in [head.unwrap_err(), got.unwrap_err()] {
        assert_eq!(code, "InvalidRequest");
        assert_eq!(text, "Value for x-amz-checksum-mode header is invalid.");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_ends_in_the_checksum_mode_that_it_began_in() {
    let house = house().await;
    let begin = json!({ "Bucket": "bbb", "Key": "k", "ChecksumAlgorithm": "CRC32",
                        "ChecksumType": "COMPOSITE" });
    let begun = house.ok::<CreateMultipartUpload>(begin).await;
    let end = json!({ "Bucket": "bbb", "Key": "k", "UploadId": begun["UploadId"],
                      "ChecksumType": "FULL_OBJECT",
                      "MultipartUpload": { "Parts": [{ "PartNumber": 1, "ETag": "x" }] } });
    let (code, text) = house.call::<CompleteMultipartUpload>(end).await.unwrap_err();
    assert_eq!(code, "InvalidRequest");
    assert!(text.starts_with("The upload was created using the COMPOSITE checksum mode."));
}

#[tokio::test(start_paused = true)]
async fn headers_for_other_kinds_of_buckets_and_classes_are_refused() {
    let house = house().await;
    let mut input = put("k", "x");
    input.storage_class = "EXPRESS_ONEZONE".parse().ok();
    assert_eq!(house.raw::<PutObject>(input).await.unwrap_err().0, "InvalidStorageClass");
    let begun = house.ok::<CreateMultipartUpload>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    let input = AbortMultipartUploadRequest {
        bucket: "bbb".to_owned(),
        key: "k".to_owned(),
        upload_id: begun["UploadId"].as_str().unwrap().to_owned(),
        if_match_initiated_time: Some(house::BEGIN),
        ..Default::default()
    };
    assert_eq!(house.raw::<AbortMultipartUpload>(input).await.unwrap_err().0, "NotImplemented");
}

#[tokio::test(start_paused = true)]
async fn a_keys_context_comes_back_and_must_be_one() {
    let house = house().await;
    let mut input = put("k", "x");
    input.server_side_encryption = Some(ServerSideEncryption::AwsKms);
    input.ssekms_encryption_context = Some("eyJhIjoiYiJ9".to_owned());
    let written = house.raw::<PutObject>(input).await.unwrap();
    assert_eq!(written.ssekms_encryption_context.as_deref(), Some("eyJhIjoiYiJ9"));
    let mut input = put("k", "x");
    input.ssekms_encryption_context = Some("eyJhIjoiYiJ9".to_owned());
    assert_eq!(house.raw::<PutObject>(input).await.unwrap_err().0, "InvalidArgument");
}

#[tokio::test(start_paused = true)]
async fn an_object_gets_another_key_and_stays_what_it_is() {
    let house = house().await;
    let etag = house.put("k", "body").await.e_tag;
    let arn = "arn:aws:kms:us-east-1:000000000000:key/one";
    let update = |arn: &str| {
        json!({ "Bucket": "bbb", "Key": "k", "ObjectEncryption": {
            "SSEKMS": { "KMSKeyArn": arn, "BucketKeyEnabled": true } } })
    };
    let before = house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    house.pass(std::time::Duration::from_secs(5)).await;
    house.ok::<UpdateObjectEncryption>(update(arn)).await;
    let head = house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    assert_eq!(head["ServerSideEncryption"], "aws:kms");
    assert_eq!(head["SSEKMSKeyId"], arn);
    assert_eq!(head["LastModified"], before["LastModified"]);
    assert_eq!(head["ETag"].as_str().map(str::to_owned), etag);
    assert_eq!(house.get("k", None).await.unwrap(), "body");

    let other = house.call::<UpdateObjectEncryption>(update("alias/x")).await.unwrap_err();
    assert_eq!(other.0, "InvalidRequest");
    let foreign = update("arn:aws:kms:us-east-1:111122223333:key/one");
    assert_eq!(house.call::<UpdateObjectEncryption>(foreign).await.unwrap_err().0, "AccessDenied");
    let missing = json!({ "Bucket": "bbb", "Key": "none", "ObjectEncryption": {
        "SSEKMS": { "KMSKeyArn": arn } } });
    assert_eq!(house.call::<UpdateObjectEncryption>(missing).await.unwrap_err().0, "NoSuchKey");
}

#[tokio::test(start_paused = true)]
async fn tags_of_a_bucket_are_not_changed_here_while_they_count() {
    let house = house().await;
    let bucket = json!({ "Bucket": "bbb" });
    let status = house.ok::<GetBucketAbac>(bucket.clone()).await;
    assert_eq!(status["AbacStatus"]["Status"], "Disabled");
    let turn = |status: &str| json!({ "Bucket": "bbb", "AbacStatus": { "Status": status } });
    house.ok::<PutBucketAbac>(turn("Enabled")).await;
    assert_eq!(house.ok::<GetBucketAbac>(bucket).await["AbacStatus"]["Status"], "Enabled");
    let tags = json!({ "Bucket": "bbb", "Tagging": { "TagSet": [{ "Key": "a", "Value": "b" }] } });
    let refused = house.call::<PutBucketTagging>(tags.clone()).await.unwrap_err();
    assert_eq!(refused.0, "InvalidRequest");
    house.ok::<PutBucketAbac>(turn("Disabled")).await;
    house.ok::<PutBucketTagging>(tags).await;
}

#[tokio::test(start_paused = true)]
async fn who_pays_for_a_request_must_say_so() {
    let house = house().await;
    house.put("k", "x").await;
    let payer = json!({ "Bucket": "bbb", "RequestPaymentConfiguration": { "Payer": "Requester" } });
    house.ok::<PutBucketRequestPayment>(payer).await;
    assert_eq!(house.get("k", None).await.unwrap(), "x", "the owner pays as ever");
    let stranger: AccountId = "111122223333".parse().unwrap();
    let read = |request_payer| GetObjectRequest {
        bucket: "bbb".to_owned(),
        key: "k".to_owned(),
        request_payer,
        ..Default::default()
    };
    let refused = house.raw_as::<GetObject>(stranger.clone(), read(None)).await;
    assert_eq!(refused.err().unwrap().0, "AccessDenied");
    let paid = read(Some(RequestPayer::Requester));
    assert!(house.raw_as::<GetObject>(stranger, paid).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_granted_anything_by_an_address() {
    let house = house().await;
    let ownership = json!({ "Bucket": "bbb",
        "OwnershipControls": { "Rules": [{ "ObjectOwnership": "ObjectWriter" }] } });
    house.ok::<PutBucketOwnershipControls>(ownership).await;
    house.raw::<PutObject>(put("k", "body")).await.unwrap();
    let list = "emailAddress=\"ann@example.com\"";
    let by_head = json!({ "Bucket": "bbb", "Key": "k", "GrantRead": list });
    let owner = house.ok::<GetBucketAcl>(json!({ "Bucket": "bbb" })).await["Owner"].clone();
    let grantee = json!({ "Type": "AmazonCustomerByEmail", "EmailAddress": "ann@example.com" });
    let policy = json!({ "Owner": owner,
        "Grants": [{ "Grantee": grantee, "Permission": "READ" }] });
    let by_body = json!({ "Bucket": "bbb", "Key": "k", "AccessControlPolicy": policy });
    for input in [by_head, by_body] {
        let mut of_bucket = input.clone();
        of_bucket.as_object_mut().unwrap().remove("Key");
        let refused = house.call::<PutBucketAcl>(of_bucket).await.unwrap_err();
        let text = "The specified method is not allowed against this resource.";
        assert_eq!((refused.0.as_str(), refused.1.as_str()), ("MethodNotAllowed", text));
        assert_eq!(house.call::<PutObjectAcl>(input).await.unwrap_err(), refused);
    }
    let mut input = put("k", "body");
    input.grant_read = Some(list.to_owned());
    assert_eq!(house.raw::<PutObject>(input).await.unwrap_err().0, "MethodNotAllowed");
}
