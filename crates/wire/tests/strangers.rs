//! Requests for services of AWS's that are not here: told by name, in the caller's protocol.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

use bytes::Bytes;
use haar_types::RequestId;
use haar_wire::{Catalogue, detect};
use http::Request;

/// Status, kind of body, and body of what a request signed for `service` is told.
fn told(service: &str, request: http::request::Builder, body: &str) -> (u16, String, String) {
    let scope = format!("20260101/us-east-1/{service}/aws4_request");
    let signed =
        format!("AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0");
    let request = request.header("host", "127.0.0.1:4566").header("authorization", signed);
    let parts = request.body(()).unwrap().into_parts().0;
    let body = Bytes::from(body.to_owned());
    let refusal = detect(&Catalogue::new([]), &parts, &body).unwrap_err();
    let answer = refusal.response(&RequestId::new("00000000-0000-0000-0000-000000000000"));
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body = String::from_utf8_lossy(answer.body().as_bytes().unwrap()).into_owned();
    (answer.status().as_u16(), kind, body)
}

fn target(name: &str, kind: &str) -> http::request::Builder {
    Request::post("/").header("x-amz-target", name).header("content-type", kind)
}

fn form() -> http::request::Builder {
    Request::post("/").header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
}

#[test]
fn a_service_of_json_is_named_with_its_operation() {
    let kind = "application/x-amz-json-1.1";
    let (status, told_kind, body) = told("kms", target("TrentService.ListKeys", kind), "{}");
    assert_eq!((status, told_kind.as_str()), (501, kind));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["__type"], "NotImplemented");
    assert_eq!(body["message"], "kms.ListKeys is not implemented by haar");

    let kind = "application/x-amz-json-1.0";
    let request = target("AWSStepFunctions.ListStateMachines", kind);
    let (_, told_kind, body) = told("states", request, "{}");
    assert_eq!(told_kind, kind);
    assert!(body.contains("stepfunctions.ListStateMachines is not implemented by haar"), "{body}");
}

#[test]
fn a_service_of_queries_hears_it_as_xml() {
    let text = "Action=DescribeLoadBalancers&Version=2015-12-01";
    let (status, kind, body) = told("elasticloadbalancing", form(), text);
    assert_eq!((status, kind.as_str()), (501, "text/xml"));
    assert!(body.contains("<Code>NotImplemented</Code>"), "{body}");
    assert!(body.contains("elbv2.DescribeLoadBalancers is not implemented by haar"), "{body}");

    let older = "Action=DescribeLoadBalancers&Version=2012-06-01";
    let (_, _, body) = told("elasticloadbalancing", form(), older);
    assert!(body.contains("elb.DescribeLoadBalancers is not"), "{body}");
    let (_, _, body) = told("ses", form(), "Action=ListIdentities&Version=2010-12-01");
    assert!(body.contains("ses.ListIdentities is not implemented by haar"), "{body}");

    // Three services have this name and this version.
    let query = "Action=DescribeDBInstances&Version=2014-10-31";
    let (_, _, body) = told("rds", form(), query);
    assert!(body.contains("rds.DescribeDBInstances is not implemented by haar"), "{body}");
    let agent = "aws-cli/2.1 md/installer#exe md/command#neptune.describe-db-instances";
    let (_, _, body) = told("rds", form().header("user-agent", agent), query);
    assert!(body.contains("neptune.DescribeDBInstances is not implemented by haar"), "{body}");
}

#[test]
fn a_service_of_paths_is_named_with_what_the_client_says_it_does() {
    let request = Request::get("/2013-04-01/hostedzone");
    let (status, kind, body) = told("route53", request, "");
    assert_eq!((status, kind.as_str()), (501, "application/xml"));
    assert!(body.starts_with("<ErrorResponse"), "{body}");
    assert!(body.contains("route53: GET /2013-04-01/hostedzone is not implemented"), "{body}");

    let agent = "aws-cli/2.1 md/installer#exe md/command#apigatewayv2.get-apis md/prompt#off";
    let request = Request::get("/v2/apis").header("user-agent", agent);
    let (_, kind, body) = told("apigateway", request, "");
    assert_eq!(kind, "application/json");
    assert!(body.contains("apigatewayv2.GetApis is not implemented by haar"), "{body}");
}

#[test]
fn a_name_that_aws_does_not_know_is_no_service() {
    let (status, _, body) = told("nonsense", target("Nonsense.Do", "application/json"), "{}");
    assert_eq!(status, 404);
    assert!(body.contains("no service recognises this request"), "{body}");
}

#[test]
fn directory_buckets_are_no_buckets() {
    let request = Request::get("/?x-id=ListDirectoryBuckets");
    let (status, kind, body) = told("s3express", request, "");
    assert_eq!((status, kind.as_str()), (501, "application/xml"));
    assert!(body.contains("<Code>NotImplemented</Code>"), "{body}");
    assert!(body.contains("s3.ListDirectoryBuckets is not implemented by haar"), "{body}");
    let (status, _, body) = told("s3-object-lambda", Request::post("/WriteGetObjectResponse"), "");
    assert_eq!(status, 501);
    assert!(body.contains("s3: POST /WriteGetObjectResponse is not implemented"), "{body}");
}
