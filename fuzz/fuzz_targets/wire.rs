//! Any bytes as a request of each protocol: an input or an error, never a panic, and what was
//! read comes back from its own JSON.
#![no_main]

use std::sync::LazyLock;

use haar_wire::{Body, Catalogue, detect};
use libfuzzer_sys::fuzz_target;

/// Method, path, content type, target, signing name, what the body begins with.
type Head = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const FORM: &str = "application/x-www-form-urlencoded";
const CBOR: &str = "/service/GraniteServiceVersion20100801/operation/";
const HEADS: &[Head] = &[
    ("POST", "/2015-03-31/functions", "application/json", "", "lambda", ""),
    ("PUT", "/2017-10-31/functions/f/concurrency", "application/json", "", "lambda", ""),
    ("POST", "/", "application/x-amz-json-1.1", "Logs_20140328.PutLogEvents", "logs", ""),
    ("POST", "/", "application/x-amz-json-1.1", "Logs_20140328.PutMetricFilter", "logs", ""),
    ("POST", "/", "application/x-amz-json-1.0", "DynamoDB_20120810.PutItem", "dynamodb", ""),
    ("POST", "/", "application/x-amz-json-1.0", "DynamoDB_20120810.Query", "dynamodb", ""),
    ("POST", "/", "application/x-amz-json-1.0", "AmazonSQS.CreateQueue", "sqs", ""),
    ("POST", CBOR, "application/cbor", "GetMetricData", "monitoring", ""),
    ("POST", CBOR, "application/cbor", "PutMetricData", "monitoring", ""),
    ("POST", "/", FORM, "", "iam", "Action=CreateRole&Version=2010-05-08&"),
    ("POST", "/", FORM, "", "iam", "Action=TagRole&Version=2010-05-08&"),
    ("POST", "/", FORM, "", "monitoring", "Action=PutMetricData&Version=2010-08-01&"),
    ("POST", "/", FORM, "", "ec2", "Action=RunInstances&Version=2016-11-15&"),
    ("POST", "/", FORM, "", "ec2", "Action=DescribeInstances&Version=2016-11-15&"),
    ("PUT", "/b?lifecycle", "application/xml", "", "s3", ""),
    ("POST", "/b?delete", "application/xml", "", "s3", ""),
    ("POST", "/b/k?uploadId=u", "application/xml", "", "s3", ""),
    ("PUT", "/b/k", "text/plain", "", "s3", ""),
];

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(haar_wire_conformance::catalogue);

fn parts(head: &Head, more: &str, header: &str) -> Option<http::request::Parts> {
    let (method, path, kind, target, service, _) = *head;
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = match path == CBOR {
        true => format!("{path}{target}"),
        false => format!("{path}{mark}{more}"),
    };
    let scope = format!("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{service}/aws4_request");
    let mut request = http::Request::builder().method(method).uri(url);
    request = request.header("authorization", scope).header("content-type", kind);
    if !target.is_empty() && path != CBOR {
        request = request.header("x-amz-target", target);
    }
    for name in ["x-amz-object-lock-retain-until-date", "if-modified-since", "x-amz-meta-a"] {
        request = request.header(name, header);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fuzz_target!(|input: (u8, &str, &str, &[u8])| {
    let (number, more, header, data) = input;
    let head = &HEADS[usize::from(number) % HEADS.len()];
    let Some(parts) = parts(head, more, header) else { return };
    let body = bytes::Bytes::from([head.5.as_bytes(), data].concat());
    let Ok(route) = detect(&CATALOGUE, &parts, &body) else { return };
    let mut read = (route.operation.new_input)();
    if haar_wire::decode_into(&route, &parts, Body::from(body), &mut *read).is_err() {
        return;
    }
    let json = haar_wire::to_json(&*read);
    let mut again = (route.operation.new_input)();
    haar_wire::from_json_into(json.clone(), &mut *again).expect("what was valid stays valid");
    assert_eq!(json, haar_wire::to_json(&*again));
});
