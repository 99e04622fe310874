//! What is answered to requests that are almost an operation's: with a query, a name or a body
//! that does not belong to it.

#![allow(clippy::unwrap_used)]

mod house;

use bytes::Bytes;
use haar_kernel::{Inbound, Site as _};
use haar_s3_contract::model::*;
use haar_wire::Body;
use house::House;
use http::{Method, Request};
use serde_json::json;

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20270115/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=00";

async fn house() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house.put("k", "text").await;
    house
}

/// Status, head and body of what a client is answered.
async fn asked(
    house: &House,
    (method, path): (Method, &str),
    headers: &[(&str, &[u8])],
    body: &'static str,
) -> (u16, http::HeaderMap, String) {
    asked_with(house, (method, path, SIGNED), headers, body).await
}

/// The same with an `Authorization` of one's own.
async fn asked_with(
    house: &House,
    (method, path, signed): (Method, &str, &str),
    headers: &[(&str, &[u8])],
    body: &'static str,
) -> (u16, http::HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:4566");
    request = request.header("authorization", signed).header("content-length", body.len());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let inbound = Inbound { parts, body: Bytes::from_static(body.as_bytes()), source_ip: None };
    let answer = house.kernel.serve(inbound).await;
    let text = answer.body().as_bytes().map(|body| String::from_utf8_lossy(body).into_owned());
    (answer.status().as_u16(), answer.headers().clone(), text.unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn what_a_query_names_is_not_done_to_the_whole() {
    let house = house().await;
    let (put, delete) = (Method::PUT, Method::DELETE);
    for (method, path) in [
        (&delete, "/bbb?acl"),
        (&delete, "/bbb?versioning"),
        (&delete, "/bbb?uploads"),
        (&delete, "/bbb?notification"),
        (&delete, "/bbb/k?acl"),
        (&delete, "/bbb/k?retention"),
        (&delete, "/bbb/k?legal-hold"),
        (&delete, "/bbb/k?attributes"),
        (&put, "/bbb/k?uploads"),
        (&put, "/bbb/k?attributes"),
        (&put, "/other?versions"),
    ] {
        let (status, _, text) = asked(&house, (method.clone(), path), &[], "").await;
        assert_eq!(status, 405, "{method} {path}: {text}");
        assert!(text.contains("<Code>MethodNotAllowed</Code>"), "{method} {path}: {text}");
    }
    let kept = house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    assert_eq!(kept["ContentLength"], 4);
    let (status, _, text) = asked(&house, (put, "/bbb/k?versionId=null"), &[], "new").await;
    assert!(
        status == 400 && text.contains("This operation does not accept a version-id."),
        "{text}"
    );
    // what only looks like one is nothing to S3
    for path in ["/bbb/k?x-id=GetObject&acl2", "/bbb?id=4", "/bbb?list-type=2&x=y"] {
        let (status, _, text) = asked(&house, (Method::GET, path), &[], "").await;
        assert_eq!(status, 200, "{path}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn versions_and_markers_come_in_one_row() {
    let house = house().await;
    let versioning = json!({ "Bucket": "bbb", "VersioningConfiguration": { "Status": "Enabled" } });
    house.ok::<PutBucketVersioning>(versioning).await;
    for key in ["j", "k"] {
        house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": key })).await;
        house.put(key, "text").await;
    }
    house.ok::<DeleteObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    let (_, _, text) = asked(&house, (Method::GET, "/bbb?versions"), &[], "").await;
    let elements = text.split('<').filter_map(|piece| {
        let (name, content) = piece.split_once('>')?;
        match name {
            "Version" => Some("V".to_owned()),
            "DeleteMarker" => Some("D".to_owned()),
            "Key" => Some(content.to_owned()),
            _ => None,
        }
    });
    assert_eq!(elements.collect::<String>(), "VjDjDkVkDkVk", "{text}");
    assert_eq!(text.matches("<VersionId>").count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_names_no_service_is_answered_as_s3_does() {
    let house = house().await;
    for signed in
        ["AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 Credential=a/b/c/d", "AWS key", "x"]
    {
        let (status, _, text) =
            asked_with(&house, (Method::GET, "/bbb/none", signed), &[], "").await;
        assert!(status == 404 && text.contains("<Code>NoSuchKey</Code>"), "{signed}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_across_origins_that_is_not_allowed_is_told_why() {
    let house = house().await;
    let sites = house.room.sites();
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::options(path).header("host", "localhost:4566");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert!(sites.claims("localhost", &parts));
        let answer = sites.serve(Request::from_parts(parts, Body::empty())).await;
        let text = answer.body().as_bytes().map(|body| String::from_utf8_lossy(body).into_owned());
        (answer.status().as_u16(), text.unwrap_or_default())
    };
    let origin = ("origin", "http://a.test");
    let method = ("access-control-request-method", "GET");
    for (headers, wanted) in [
        (&[][..], "Insufficient information. Origin request header needed."),
        (&[method][..], "Insufficient information. Origin request header needed."),
        (&[origin][..], "Invalid Access-Control-Request-Method: null"),
    ] {
        let (status, text) = ask("/bbb/k", headers).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(&format!("<Code>BadRequest</Code><Message>{wanted}<")), "{text}");
    }
    let missing = "CORSResponse: Bucket not found";
    for (path, words, resource) in [
        ("/bbb/k", "CORSResponse: CORS is not enabled for this bucket.", "OBJECT"),
        ("/bbb", "CORSResponse: CORS is not enabled for this bucket.", "BUCKET"),
        ("/no-such-bucket/k", missing, "OBJECT"),
        ("/no-such-bucket", missing, "BUCKET"),
    ] {
        let (status, text) = ask(path, &[origin, method]).await;
        let wanted = format!("<Code>AccessForbidden</Code><Message>{words}<");
        assert!(status == 403 && text.contains(&wanted), "{text}");
        assert!(text.contains(&format!("<ResourceType>{resource}<")), "{text}");
    }
    // a page of this machine may ask the API, of which a path may look like a bucket's
    let request =
        Request::options("/2015-03-31/functions").header("origin", "http://localhost:3000");
    let (parts, ()) = request.header(method.0, method.1).body(()).unwrap().into_parts();
    assert!(!sites.claims("localhost", &parts));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_no_text_is_refused() {
    let house = house().await;
    for method in [Method::PUT, Method::GET, Method::DELETE] {
        let (status, _, text) = asked(&house, (method, "/bbb/u%fe"), &[], "").await;
        assert!(status == 400 && text.contains("<Code>InvalidURI</Code>"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_of_more_than_ascii_is_kept() {
    let house = house().await;
    let headers: [(&str, &[u8]); 2] = [
        ("x-amz-meta-name", "Zoë".as_bytes()),
        ("content-disposition", "a; filename=ü".as_bytes()),
    ];
    let (status, ..) = asked(&house, (Method::PUT, "/bbb/n"), &headers, "text").await;
    assert_eq!(status, 200);
    let (_, head, _) = asked(&house, (Method::HEAD, "/bbb/n"), &[], "").await;
    assert_eq!(head["x-amz-meta-name"], "=?UTF-8?B?Wm/Dqw==?=");
    assert_eq!(head["content-disposition"].as_bytes(), "a; filename=ü".as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_document_must_be_what_its_head_says() {
    let house = house().await;
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let ask = (Method::POST, "/bbb?delete");
    for (headers, code) in [
        (&[("content-md5", &b"1B2M2Y8AsgTpgAmY7PhCfg=="[..])][..], "BadDigest"),
        (&[("content-md5", &b"no digest"[..])][..], "InvalidDigest"),
        (&[("x-amz-checksum-crc32", &b"AAAAAA=="[..])][..], "BadDigest"),
        (&[][..], "InvalidRequest"),
    ] {
        let (status, _, text) = asked(&house, ask.clone(), headers, delete).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
    }
    house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
    let sum = crc32fast::hash(delete.as_bytes()).to_be_bytes();
    let sum = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum);
    let right: [(&str, &[u8]); 1] = [("x-amz-checksum-crc32", sum.as_bytes())];
    let (status, _, text) = asked(&house, ask, &right, delete).await;
    assert!(status == 200 && text.contains("<Deleted>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_source_may_be_encoded_whole() {
    let house = house().await;
    let source: [(&str, &[u8]); 1] = [("x-amz-copy-source", b"bbb%2Fk")];
    let (status, _, text) = asked(&house, (Method::PUT, "/bbb/copy"), &source, "").await;
    assert_eq!(status, 200, "{text}");
    let none: [(&str, &[u8]); 1] = [("x-amz-copy-source", b"bbb")];
    let (status, _, text) = asked(&house, (Method::PUT, "/bbb/copy"), &none, "").await;
    assert!(status == 400 && text.contains("Copy Source must mention"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn rules_that_contradict_themselves_are_refused() {
    let house = house().await;
    let expires = json!({ "Days": 1 });
    let rules = json!([
        { "Status": "Enabled", "Prefix": "a", "Expiration": expires },
        { "Status": "Enabled", "Filter": { "Prefix": "b" }, "Expiration": expires },
    ]);
    let lifecycle = |rules: &serde_json::Value| json!({ "Bucket": "bbb", "LifecycleConfiguration": { "Rules": rules } });
    let refused =
        house.call::<PutBucketLifecycleConfiguration>(lifecycle(&rules)).await.unwrap_err();
    assert!(
        refused.1.starts_with("Base level prefix cannot be used in Lifecycle V2"),
        "{refused:?}"
    );
    let rules = json!([{ "Status": "Enabled", "Filter": { "And": { "Prefix": "b" } },
        "Expiration": expires }]);
    let refused =
        house.call::<PutBucketLifecycleConfiguration>(lifecycle(&rules)).await.unwrap_err();
    assert_eq!(refused.0, "MalformedXML");
    let redirect = json!({ "ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b" });
    let website = json!({ "Bucket": "bbb", "WebsiteConfiguration": {
        "IndexDocument": { "Suffix": "i.html" }, "RoutingRules": [{ "Redirect": redirect }] } });
    let refused = house.call::<PutBucketWebsite>(website).await.unwrap_err();
    assert_eq!(refused.0, "InvalidRequest");
    let queue = |event: &str| {
        json!({ "Id": "same", "QueueArn":
        "arn:aws:sqs:us-east-1:000000000000:q", "Events": [event] })
    };
    let both = [queue("s3:ObjectCreated:Put"), queue("s3:ObjectRemoved:Delete")];
    let configuration = json!({ "Bucket": "bbb",
        "NotificationConfiguration": { "QueueConfigurations": both } });
    let refused =
        house.call::<PutBucketNotificationConfiguration>(configuration).await.unwrap_err();
    assert!(refused.1.starts_with("Same ID used for multiple configurations"), "{refused:?}");
}
