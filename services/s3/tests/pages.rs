//! What pages of other sites are answered where everybody else is let in.

#![allow(clippy::unwrap_used)]

mod house;

use haar_kernel::{ForeignPage, Inbound};
use haar_s3_contract::model::*;
use house::House;
use http::Request;
use serde_json::json;

async fn house_open_to_all_origins() -> House {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    house.put("k", "text").await;
    let rule = json!({ "AllowedMethods": ["GET", "PUT", "DELETE"], "AllowedOrigins": ["*"] });
    let rules = json!({ "Bucket": "bbb", "CORSConfiguration": { "CORSRules": [rule] } });
    house.ok::<PutBucketCors>(rules).await;
    house.ok::<DeletePublicAccessBlock>(json!({ "Bucket": "bbb" })).await;
    house
}

/// Status and body of what a page of another site asks for.
async fn asked(house: &House, method: &str, path: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:4566");
    let request = request.header("origin", "https://evil.example").body(()).unwrap();
    let mut parts = request.into_parts().0;
    parts.extensions.insert(ForeignPage);
    assert!(house.kernel.welcomes(&parts), "{method} {path}");
    let inbound = Inbound { parts, body: Default::default(), source_ip: None };
    let answer = house.kernel.serve(inbound).await;
    let text = answer.body().as_bytes().map(|body| String::from_utf8_lossy(body).into_owned());
    (answer.status().as_u16(), text.unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn rules_for_other_origins_let_no_page_in() {
    let house = house_open_to_all_origins().await;
    for (method, path) in
        [("GET", "/bbb/k"), ("DELETE", "/bbb/k"), ("GET", "/bbb?list-type=2"), ("GET", "/bbb/none")]
    {
        let (status, text) = asked(&house, method, path).await;
        assert!(status == 403 && text.contains("<Code>AccessDenied</Code>"), "{path}: {text}");
    }
    house.ok::<HeadObject>(json!({ "Bucket": "bbb", "Key": "k" })).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_sees_what_a_bucket_shows_to_all_until_public_access_is_blocked() {
    let house = house_open_to_all_origins().await;
    let allow = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::bbb/*" } });
    house.ok::<PutBucketPolicy>(json!({ "Bucket": "bbb", "Policy": allow.to_string() })).await;
    assert_eq!(asked(&house, "GET", "/bbb/k").await.0, 200);
    assert_eq!(asked(&house, "DELETE", "/bbb/k").await.0, 403);
    let block = json!({ "Bucket": "bbb",
        "PublicAccessBlockConfiguration": { "RestrictPublicBuckets": true } });
    house.ok::<PutPublicAccessBlock>(block).await;
    assert_eq!(asked(&house, "GET", "/bbb/k").await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_this_machine_may_read_how_a_bucket_is_made() {
    let house = house_open_to_all_origins().await;
    let origin = "http://localhost:3000";
    for (path, wanted) in [("/new-one", origin), ("/bbb", origin), ("/bbb/key", "*")] {
        let request = Request::put(path).header("host", "s3.localhost:4566");
        let parts = request.header("origin", origin).body(()).unwrap().into_parts().0;
        let inbound = Inbound { parts, body: Default::default(), source_ip: None };
        let answer = house.kernel.serve(inbound).await;
        assert_eq!(answer.headers()["access-control-allow-origin"], wanted, "{path}");
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_signed_by_nobody_known_opens_nothing_to_a_page() {
    let house = house_open_to_all_origins().await;
    let link = "/bbb/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20270115T080000Z&\
                X-Amz-Credential=test%2F20270115%2Fus-east-1%2Fs3%2Faws4_request&\
                X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    let (status, text) = asked(&house, "GET", link).await;
    assert!(status == 403 && text.contains("<Code>InvalidAccessKeyId</Code>"), "{text}");
    let old = "/bbb/k?AWSAccessKeyId=test&Expires=1900000000&Signature=x";
    assert_ne!(asked(&house, "GET", old).await.0, 200);
}
