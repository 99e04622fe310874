//! Bytes that AWS's clients sent, and the answers that they understood, replayed without them.

use serde_json::Value;

const RECORDED: &[(&str, &str)] = &[
    ("boto3", include_str!("../golden/boto3.json")),
    ("aws-cli", include_str!("../golden/aws-cli.json")),
    ("js", include_str!("../golden/js.json")),
];

#[test]
fn what_the_clients_sent_is_read_and_what_they_understood_is_written() {
    let catalogue = haar_wire_conformance::catalogue();
    for (client, text) in RECORDED {
        let exchanges: Vec<Value> = serde_json::from_str(text).expect("the record is JSON");
        assert!(exchanges.len() > 20, "{client} was recorded");
        for exchange in exchanges {
            let name = &exchange["scenario"];
            let request = serde_json::json!({ "request": exchange["request"] });
            let decoded = haar_wire_conformance::answer(&catalogue, &request);
            assert_eq!(decoded, exchange["decoded"], "{client} {name}");
            let response = haar_wire_conformance::answer(&catalogue, &exchange["question"]);
            assert_eq!(response, exchange["response"], "{client} {name}");
        }
    }
}

/// What a request of S3 is taken for.
fn s3(method: &str, url: &str, headers: &[(&str, &str)]) -> (String, String, String) {
    let mut all = serde_json::json!({
        "host": "localhost:4566",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request",
    });
    for (name, value) in headers {
        all[*name] = (*value).into();
    }
    let request = serde_json::json!({ "method": method, "url": url, "headers": all, "body": "" });
    let catalogue = haar_wire_conformance::catalogue();
    let found =
        haar_wire_conformance::answer(&catalogue, &serde_json::json!({ "request": request }));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match found.get("operation") {
        Some(name) => (text(name), text(&found["input"]["Bucket"]), text(&found["input"]["Key"])),
        None => (text(&found["message"]), String::new(), String::new()),
    }
}

#[test]
fn operations_of_one_path_are_told_apart_by_what_stands_beside_it() {
    let cases = [
        ("GET", "/", "ListBuckets", "", ""),
        ("PUT", "/b", "CreateBucket", "b", ""),
        ("PUT", "/b/", "CreateBucket", "b", ""),
        ("PUT", "/b/k", "PutObject", "b", "k"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart", "b", "k"),
        ("PUT", "/b/k?retention", "PutObjectRetention", "b", "k"),
        ("GET", "/b/k?attributes", "the header decides", "", ""),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload", "b", "k"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload", "b", "k"),
        ("POST", "/b/k?restore", "RestoreObject", "b", "k"),
        ("GET", "/b/dir/", "GetObject", "b", "dir/"),
        ("GET", "/b//k", "GetObject", "b", "/k"),
        ("GET", "/b/a//b%2Fc/", "GetObject", "b", "a//b/c/"),
        ("GET", "/b/%3Facl", "GetObject", "b", "?acl"),
    ];
    for (method, url, operation, bucket, key) in cases {
        let found = s3(method, url, &[]);
        if operation == "the header decides" {
            let header = [("x-amz-object-attributes", "ETag")];
            assert_eq!(s3(method, url, &header).0, "GetObjectAttributes");
            continue;
        }
        assert_eq!((&*found.0, &*found.1, &*found.2), (operation, bucket, key), "{method} {url}");
    }
    let copy = [("x-amz-copy-source", "/a/b")];
    assert_eq!(s3("PUT", "/b/k", &copy).0, "CopyObject");
    let part = s3("PUT", "/b/k?partNumber=1&uploadId=u", &copy).0;
    assert_eq!(part, "UploadPartCopy");
    let other = s3("POST", "/b/k?select&select-type=2", &[]).0;
    assert!(other.contains("s3.SelectObjectContent is not implemented"), "{other}");
}

#[test]
fn a_bucket_may_stand_in_the_host_name() {
    for host in ["b.s3.localhost:4566", "b.localhost:4566", "b.s3.eu-west-1.amazonaws.com"] {
        let found = s3("GET", "/dir/k", &[("host", host)]);
        assert_eq!((&*found.0, &*found.1, &*found.2), ("GetObject", "b", "dir/k"), "{host}");
        assert_eq!(s3("GET", "/?list-type=2", &[("host", host)]).0, "ListObjectsV2");
    }
}
