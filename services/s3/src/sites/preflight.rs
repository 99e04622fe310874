//! Whether a page may ask for something across origins.

use haar_wire::{AwsError, Body};
use http::request::Parts;
use http::{Response, StatusCode};

use super::{bare, refused};
use crate::S3;
use crate::cors::{allow, rule_for, set};
use crate::rules::method::asked_across;

/// Answers by the bucket's rules.
pub(super) fn serve(room: &S3, bucket: &str, of_object: bool, parts: &Parts) -> Response<Body> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (origin, method) = match asked_across(&parts.headers) {
        Ok(asked) => asked,
        Err(error) => return refused(room, &error),
    };
    let asked = header("access-control-request-headers").unwrap_or_default();
    let headers: Vec<&str> =
        asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let forbidden = |text: &str| {
        let error = AwsError::new("AccessForbidden", 403, text)
            .element("Method", method)
            .element("ResourceType", if of_object { "OBJECT" } else { "BUCKET" });
        refused(room, &error)
    };
    let Ok(row) = room.bucket(bucket) else {
        return forbidden("CORSResponse: Bucket not found");
    };
    if row.cors.is_none() {
        return forbidden("CORSResponse: CORS is not enabled for this bucket.");
    }
    let Some(rule) = rule_for(&row, origin, method, &headers) else {
        return forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the \
             evalution of Origin, request method / Access-Control-Request-Method or \
             Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
        );
    };
    let mut answer = bare(StatusCode::OK);
    allow(rule, origin, answer.headers_mut());
    if !headers.is_empty() {
        set(answer.headers_mut(), "access-control-allow-headers", &headers.join(", "));
    }
    answer
}
