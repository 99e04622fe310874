//! Objects under keys that customers bring, through a kernel.

#![allow(clippy::unwrap_used)]

mod house;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_s3_contract::model::*;
use house::{House, Refused, put};
use md5::{Digest as _, Md5};
use serde_json::json;

/// A key of 32 bytes in base64, and its MD5.
fn key(letter: u8) -> (String, String) {
    let bytes = [letter; 32];
    (STANDARD.encode(bytes), STANDARD.encode(Md5::digest(bytes)))
}

fn locked(name: &str, body: &[u8], letter: u8) -> PutObjectRequest {
    let (key, md5) = key(letter);
    PutObjectRequest {
        sse_customer_algorithm: Some("AES256".to_owned()),
        sse_customer_key: Some(key),
        sse_customer_key_md5: Some(md5),
        ..put(name, body.to_vec())
    }
}

async fn read(
    house: &House,
    name: &str,
    letter: Option<u8>,
    range: Option<&str>,
) -> Result<Vec<u8>, Refused> {
    let mut input = GetObjectRequest {
        bucket: "bbb".to_owned(),
        key: name.to_owned(),
        range: range.map(str::to_owned),
        ..Default::default()
    };
    if let Some(letter) = letter {
        let (key, md5) = key(letter);
        input.sse_customer_algorithm = Some("AES256".to_owned());
        input.sse_customer_key = Some(key);
        input.sse_customer_key_md5 = Some(md5);
    }
    let output = house.raw::<GetObject>(input).await?;
    assert_eq!(output.sse_customer_key_md5, letter.map(|letter| key(letter).1));
    assert_eq!(output.server_side_encryption.is_none(), letter.is_some());
    Ok(haar_s3_contract::whole(output, 1 << 30).await.unwrap().to_vec())
}

async fn house_with_bucket() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8).collect()
}

#[tokio::test(start_paused = true)]
async fn an_object_is_read_with_its_key_alone_and_from_anywhere() {
    let house = house_with_bucket().await;
    for length in [0, 10, 5000, 200_000, 3 << 20] {
        let name = length.to_string();
        let output = house.raw::<PutObject>(locked(&name, &body(length), b'a')).await.unwrap();
        assert_eq!(output.sse_customer_algorithm.as_deref(), Some("AES256"));
        assert_eq!(output.server_side_encryption, None);
        let md5 = Md5::digest(body(length));
        let md5: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_ne!(output.e_tag, Some(format!("\"{md5}\"")));
        assert_eq!(read(&house, &name, Some(b'a'), None).await.unwrap(), body(length));
    }
    for name in ["5000", "200000", "3145728"] {
        let whole = read(&house, name, Some(b'a'), None).await.unwrap();
        let cut = read(&house, name, Some(b'a'), Some("bytes=1001-4321")).await.unwrap();
        assert_eq!(cut, whole[1001..=4321]);
        let (code, text) = read(&house, name, Some(b'b'), None).await.unwrap_err();
        assert_eq!(code, "AccessDenied");
        assert!(text.ends_with("must provide the correct secret key."));
        let (code, text) = read(&house, name, None, None).await.unwrap_err();
        assert_eq!(code, "InvalidRequest");
        assert!(text.starts_with("The object was stored using a form of Server Side Encryption."));
    }
    house.put("plain", "x").await;
    let (code, text) = read(&house, "plain", Some(b'a'), None).await.unwrap_err();
    let words = "The encryption parameters are not applicable to this object.";
    assert_eq!((code.as_str(), text.as_str()), ("InvalidRequest", words));
}

#[tokio::test(start_paused = true)]
async fn nothing_on_disk_is_plain_nor_the_key() {
    let house = house_with_bucket().await;
    let secret = b"a text that nobody else may read, however long he looks for it";
    house.raw::<PutObject>(locked("small", secret, b'a')).await.unwrap();
    house.raw::<PutObject>(locked("middle", &secret.repeat(60), b'a')).await.unwrap();
    let large = secret.repeat(4000);
    house.raw::<PutObject>(locked("large", &large, b'a')).await.unwrap();
    let mut kept = Vec::new();
    for keyspace in ["s3.object", "s3.body", "s3.held"] {
        let keyspace = house.doors.kv.keyspace(keyspace).unwrap();
        kept.extend(keyspace.all().flat_map(|entry| entry.unwrap().value.to_vec()));
    }
    for digest in house.doors.blobs.list().unwrap() {
        kept.extend(house.doors.blobs.bytes(&digest).await.unwrap());
    }
    assert!(kept.len() > large.len());
    let has = |what: &[u8]| kept.windows(what.len()).any(|window| window == what);
    assert!(!has(&secret[..16]) && !has(&[b'a'; 32]) && !has(key(b'a').1.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn parts_are_locked_with_their_uploads_key() {
    let house = house_with_bucket().await;
    let (secret, md5) = key(b'a');
    let begin = json!({ "Bucket": "bbb", "Key": "k", "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": secret, "SSECustomerKeyMD5": md5 });
    let begun = house.ok::<CreateMultipartUpload>(begin).await;
    assert_eq!(begun["SSECustomerKeyMD5"], md5);
    let part = |number, body: Vec<u8>, letter: Option<u8>| UploadPartRequest {
        bucket: "bbb".to_owned(),
        key: "k".to_owned(),
        upload_id: begun["UploadId"].as_str().unwrap().to_owned(),
        part_number: number,
        body: body.into(),
        sse_customer_algorithm: letter.map(|_| "AES256".to_owned()),
        sse_customer_key: letter.map(|letter| key(letter).0),
        sse_customer_key_md5: letter.map(|letter| key(letter).1),
        ..Default::default()
    };
    for (letter, words) in [
        (None, "The multipart upload initiate requested encryption."),
        (Some(b'b'), "The provided encryption parameters did not match the ones used originally."),
    ] {
        let (code, text) = house.raw::<UploadPart>(part(1, body(9), letter)).await.unwrap_err();
        assert_eq!(code, "InvalidRequest");
        assert!(text.starts_with(words), "{text}");
    }
    let mut listed = Vec::new();
    for (number, length) in [(1, 5 << 20), (2, 1234)] {
        let sent = part(number, body(length), Some(b'a'));
        let done = house.raw::<UploadPart>(sent).await.unwrap();
        listed.push(json!({ "PartNumber": number, "ETag": done.e_tag }));
    }
    house
        .ok::<CompleteMultipartUpload>(json!({ "Bucket": "bbb", "Key": "k",
            "UploadId": begun["UploadId"], "MultipartUpload": { "Parts": listed } }))
        .await;
    let whole = [body(5 << 20), body(1234)].concat();
    assert_eq!(read(&house, "k", Some(b'a'), None).await.unwrap(), whole);
    let cut = read(&house, "k", Some(b'a'), Some("bytes=5242870-5242889")).await.unwrap();
    assert_eq!(cut, whole[5_242_870..=5_242_889]);
    let asked = json!({ "Bucket": "bbb", "Key": "k", "ObjectAttributes": ["ObjectSize"] });
    assert_eq!(house.call::<GetObjectAttributes>(asked).await.unwrap_err().0, "InvalidRequest");
}

#[tokio::test(start_paused = true)]
async fn a_copy_changes_the_key_or_leaves_it() {
    let house = house_with_bucket().await;
    house.raw::<PutObject>(locked("one", &body(100_000), b'a')).await.unwrap();
    let ((old, old_md5), (new, new_md5)) = (key(b'a'), key(b'b'));
    let copy = json!({ "Bucket": "bbb", "Key": "two", "CopySource": "bbb/one" });
    assert_eq!(house.call::<CopyObject>(copy.clone()).await.unwrap_err().0, "InvalidRequest");
    let with = |more: serde_json::Value| {
        let mut copy = copy.clone();
        copy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        copy
    };
    let opened = json!({ "CopySourceSSECustomerAlgorithm": "AES256",
        "CopySourceSSECustomerKey": old, "CopySourceSSECustomerKeyMD5": old_md5 });
    house.ok::<CopyObject>(with(opened.clone())).await;
    assert_eq!(read(&house, "two", None, None).await.unwrap(), body(100_000));
    let mut both = opened;
    both.as_object_mut().unwrap().extend(
        json!({ "SSECustomerAlgorithm": "AES256", "SSECustomerKey": new,
            "SSECustomerKeyMD5": new_md5 })
        .as_object()
        .unwrap()
        .clone(),
    );
    let copied = house.ok::<CopyObject>(with(both)).await;
    assert_eq!(copied["SSECustomerKeyMD5"], new_md5);
    assert_eq!(read(&house, "two", Some(b'b'), None).await.unwrap(), body(100_000));
    assert_eq!(read(&house, "two", Some(b'a'), None).await.unwrap_err().0, "AccessDenied");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_may_block_such_keys() {
    let house = house_with_bucket().await;
    house.raw::<PutObject>(locked("before", b"x", b'a')).await.unwrap();
    let block = |kind: &str| {
        json!({ "Bucket": "bbb", "ServerSideEncryptionConfiguration": { "Rules": [
            { "BlockedEncryptionTypes": { "EncryptionType": [kind] } } ] } })
    };
    house.ok::<PutBucketEncryption>(block("SSE-C")).await;
    let (code, text) = house.raw::<PutObject>(locked("k", b"x", b'a')).await.unwrap_err();
    assert_eq!(code, "AccessDenied");
    assert!(text.contains("because this bucket has blocked upload requests"), "{text}");
    assert_eq!(read(&house, "before", Some(b'a'), None).await.unwrap(), b"x");
    let usual = json!({ "Bucket": "bbb", "ServerSideEncryptionConfiguration": { "Rules": [
        { "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" } } ] } });
    house.ok::<PutBucketEncryption>(usual).await;
    assert!(house.raw::<PutObject>(locked("k", b"x", b'a')).await.is_err(), "the block stays");
    house.ok::<PutBucketEncryption>(block("NONE")).await;
    house.raw::<PutObject>(locked("k", b"x", b'a')).await.unwrap();
}
