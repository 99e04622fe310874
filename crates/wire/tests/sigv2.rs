//! Signatures of version 2: what AWS's manual and botocore signed is proven, what was changed is not.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use haar_types::Timestamp;
use haar_wire::sigv2::{claim, verify_text};
use haar_wire::sigv4::{SigError, SigFault, Validity};
use http::Request;
use http::request::{Builder, Parts};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The second at which botocore's links end.
const END: i64 = 1_175_139_620;

fn parts(request: Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

fn prove(parts: &Parts, secret: &str, second: i64) -> Result<(), SigError> {
    let validity = Validity { now: Timestamp(second * 1_000), check_skew: true };
    claim(parts).unwrap().verify(secret, parts, &validity)
}

fn fault(parts: &Parts, secret: &str, second: i64) -> SigFault {
    prove(parts, secret, second).unwrap_err().fault
}

#[test]
fn the_manuals_header_is_proven_for_a_bucket_in_the_host() {
    let get = parts(
        Request::get("/photos/puppy.jpg")
            .header("host", "awsexamplebucket1.s3.us-west-1.amazonaws.com")
            .header("date", "Tue, 27 Mar 2007 19:36:42 +0000")
            .header("authorization", "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
    );
    let read = claim(&get).unwrap();
    assert!(read.access_key_id == "AKIAIOSFODNN7EXAMPLE" && !read.is_presigned);
    let signed_at = 1_175_024_202;
    prove(&get, SECRET, signed_at + 900).unwrap();
    prove(&get, SECRET, signed_at - 900).unwrap();
    assert_eq!(fault(&get, SECRET, signed_at + 901), SigFault::Skewed);
    assert_eq!(fault(&get, "other", signed_at), SigFault::Mismatch);
}

#[test]
fn amz_headers_and_what_is_asked_for_are_signed() {
    let put = |path: &str| {
        Request::put(path)
            .header("x-amz-meta-a", "1")
            .header("x-amz-meta-a", " 2")
            .header("x-amz-date", "Tue, 27 Mar 2007 19:36:42 GMT")
            .header("authorization", "AWS AK:oS6VTGpgb0OYFHyqjf2yXavrQug=")
    };
    let signed_at = 1_175_024_202;
    prove(&parts(put("/b/k?acl")), SECRET, signed_at).unwrap();
    prove(&parts(put("/b/k?acl&x-id=PutObjectAcl")), SECRET, signed_at).unwrap();
    for path in ["/b/k", "/b/other?acl", "/b/k?tagging", "/b/k?acl&versionId=1"] {
        assert_eq!(fault(&parts(put(path)), SECRET, signed_at), SigFault::Mismatch, "{path}");
    }
    let one_more = parts(put("/b/k?acl").header("x-amz-acl", "public-read"));
    assert_eq!(fault(&one_more, SECRET, signed_at), SigFault::Mismatch);
}

#[test]
fn a_buckets_path_may_be_signed_with_a_slash_at_its_end() {
    let list = |path: &str| {
        let head = Request::get(path).header("date", "Tue, 27 Mar 2007 19:36:42 GMT");
        parts(head.header("authorization", "AWS AK:qa4YaWzdl22kCT0wKFk82JKZ5OQ="))
    };
    for path in ["/bucket", "/bucket/", "/bucket?list-type=2"] {
        prove(&list(path), SECRET, 1_175_024_202).unwrap();
    }
    assert_eq!(fault(&list("/bucket//"), SECRET, 1_175_024_202), SigFault::Mismatch);
}

#[test]
fn botocores_link_is_proven_until_its_end() {
    let link = "/bucket/k%20x/%C3%A9?versionId=v%2F1&response-content-type=text%2Fx\
                &AWSAccessKeyId=AKIDEXAMPLE&Signature=ueT5x2cHsNnUNZWVv9dPWyVSbS0%3D\
                &x-amz-security-token=a%2Bb&Expires=1175139620";
    let get = parts(Request::get(link).header("host", "127.0.0.1:4566"));
    let read = claim(&get).unwrap();
    assert_eq!(read.session_token.as_deref(), Some("a+b"));
    prove(&get, SECRET, END).unwrap();
    assert_eq!(fault(&get, SECRET, END + 1), SigFault::ExpiredRequest);
    assert!(read.refuse_expired(Timestamp(END * 1_000 + 1)).is_err());
    let put = parts(Request::put(link).header("host", "127.0.0.1:4566"));
    assert_eq!(fault(&put, SECRET, END), SigFault::Mismatch);
    let other = link.replace("v%2F1", "v%2F2");
    assert_eq!(fault(&parts(Request::get(other)), SECRET, END), SigFault::Mismatch);
}

#[test]
fn a_link_says_what_the_headers_were() {
    let link = "/k?AWSAccessKeyId=AKIDEXAMPLE&Signature=mx6N5w0GooYdL4zsNUc9mS5MzBU%3D\
                &content-type=text%2Fy&x-amz-meta-a=1&Expires=1175139620";
    let put = || Request::put(link).header("host", "bucket.s3.amazonaws.com");
    prove(&parts(put()), SECRET, END).unwrap();
    prove(&parts(put().header("content-type", "text/y")), SECRET, END).unwrap();
    let other = parts(put().header("content-type", "text/z"));
    assert_eq!(fault(&other, SECRET, END), SigFault::Mismatch);
}

#[test]
fn what_is_missing_is_told() {
    let told = |parts: &Parts| prove(parts, SECRET, END).unwrap_err().message;
    let unsigned = parts(Request::get("/b/k?AWSAccessKeyId=AK&Expires=1175139620"));
    assert!(told(&unsigned).starts_with("Query-string authentication requires the Signature"));
    assert!(claim(&parts(Request::get("/b/k?Signature=x"))).is_none());
    let of_version_4 = parts(Request::get("/").header("authorization", "AWS4-HMAC-SHA256 x"));
    assert!(claim(&of_version_4).is_none());
}

#[test]
fn a_forms_text_is_proven_by_itself() {
    verify_text(SECRET, "a text", "10P5Bd+U3SQL8x7ZuzUb8v9peCs=").unwrap();
    verify_text(SECRET, "another", "10P5Bd+U3SQL8x7ZuzUb8v9peCs=").unwrap_err();
}
