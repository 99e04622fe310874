//! What is said of requests that are none of S3's operations.

use haar_wire::AwsError;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;

use crate::refusal;

/// Origin and method of the question whether a page may ask for something across origins.
///
/// # Errors
/// What the question lacks.
pub(crate) fn asked_across(headers: &HeaderMap) -> Result<(&str, &str), AwsError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let lacks = |what: &str| AwsError::new("BadRequest", 400, what);
    let origin = text(ORIGIN)
        .ok_or_else(|| lacks("Insufficient information. Origin request header needed."))?;
    let method = text(ACCESS_CONTROL_REQUEST_METHOD)
        .ok_or_else(|| lacks("Invalid Access-Control-Request-Method: null"))?;
    Ok((origin, method))
}

/// What is told of a method that a path does not take; `path` begins with its bucket.
pub(crate) fn refused(parts: &Parts, path: &str) -> AwsError {
    let (method, query) = (&parts.method, parts.uri.query().unwrap_or_default());
    if percent_decode_str(path).decode_utf8().is_err() {
        return AwsError::new("InvalidURI", 400, "Couldn't parse the specified URI.");
    }
    let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId="));
    if let Some(version) = version.filter(|_| method == Method::PUT || method == Method::POST) {
        let text = "This operation does not accept a version-id.";
        return refusal::invalid_argument(text, "versionId", version);
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let resource = match (bucket, key) {
        ("", _) => "SERVICE",
        (_, "") => "BUCKET",
        _ => "OBJECT",
    };
    match (method, resource) {
        // a bucket that is there answers by itself
        (&Method::OPTIONS, _) => {
            asked_across(&parts.headers).err().unwrap_or_else(|| refusal::no_such_bucket(bucket))
        }
        (&Method::POST, "BUCKET") => refusal::precondition_failed(
            "Bucket POST must be of the enclosure-type multipart/form-data",
        ),
        _ => refusal::method_not_allowed(method.as_str(), resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_refused_by_what_the_path_names() {
        let told = |method: Method, path: &str| {
            let request = http::Request::builder().method(method).uri(path).body(()).unwrap();
            refused(&request.into_parts().0, path).code().to_owned()
        };
        for path in ["/", "/bucket", "/bucket/", "/bucket/key"] {
            assert_eq!(told(Method::PATCH, path), "MethodNotAllowed");
        }
        assert_eq!(told(Method::DELETE, "/"), "MethodNotAllowed");
        assert_eq!(told(Method::POST, "/bucket"), "PreconditionFailed");
        assert_eq!(told(Method::POST, "/bucket/key"), "MethodNotAllowed");
        assert_eq!(told(Method::OPTIONS, "/bucket/key"), "BadRequest");
    }
}
