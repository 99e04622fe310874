//! What is said of requests that are none of S3's operations.

use haar_wire::AwsError;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::refusal;

/// What is told of a method that a path does not take; `path` begins with its bucket.
pub(crate) fn refused(method: &Method, path: &str, query: &str) -> AwsError {
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
        (&Method::OPTIONS, _) => {
            let text = "Insufficient information. Origin request header needed.";
            AwsError::new("BadRequest", 400, text)
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
        let told = |method: Method, path: &str| refused(&method, path, "").code().to_owned();
        for path in ["/", "/bucket", "/bucket/", "/bucket/key"] {
            assert_eq!(told(Method::PATCH, path), "MethodNotAllowed");
        }
        assert_eq!(told(Method::DELETE, "/"), "MethodNotAllowed");
        assert_eq!(told(Method::POST, "/bucket"), "PreconditionFailed");
        assert_eq!(told(Method::POST, "/bucket/key"), "MethodNotAllowed");
        assert_eq!(told(Method::OPTIONS, "/bucket/key"), "BadRequest");
    }
}
