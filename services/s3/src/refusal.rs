//! Refusals, in AWS's words. AWS docs: *Amazon S3 API Reference > Error responses*.

use haar_kv::KvError;
use haar_wire::AwsError;

use crate::state::BucketRow;

pub(crate) fn no_such_bucket(name: &str) -> AwsError {
    AwsError::new("NoSuchBucket", 404, "The specified bucket does not exist")
        .element("BucketName", name)
}

pub(crate) fn no_such_key(key: &str) -> AwsError {
    AwsError::new("NoSuchKey", 404, "The specified key does not exist.").element("Key", key)
}

pub(crate) fn no_such_version(key: &str, version_id: &str) -> AwsError {
    AwsError::new("NoSuchVersion", 404, "The specified version does not exist.")
        .element("Key", key)
        .element("VersionId", version_id)
}

pub(crate) fn no_such_upload(id: &str) -> AwsError {
    let text = "The specified upload does not exist. The upload ID may be invalid, or the upload \
                may have been aborted or completed.";
    AwsError::new("NoSuchUpload", 404, text).element("UploadId", id)
}

pub(crate) fn bucket_not_empty(bucket: &BucketRow) -> AwsError {
    let text = match bucket.versioning {
        None => "The bucket you tried to delete is not empty",
        Some(_) => {
            "The bucket you tried to delete is not empty. You must delete all versions in the \
             bucket."
        }
    };
    AwsError::new("BucketNotEmpty", 409, text).element("BucketName", &bucket.name)
}

/// Something that a request was to be done to does not allow it.
pub(crate) fn method_not_allowed(method: &str, resource: &str) -> AwsError {
    let text = "The specified method is not allowed against this resource.";
    // *Ours*: AWS names no list, and HTTP asks for one
    let allowed = match resource {
        "SERVICE" => "GET, HEAD",
        "BUCKET" => "GET, HEAD, PUT, POST, DELETE",
        "DeleteMarker" => "DELETE",
        "ACL" => "GET, PUT",
        _ => "GET, HEAD, PUT, DELETE",
    };
    AwsError::new("MethodNotAllowed", 405, text)
        .element("Method", method)
        .element("ResourceType", resource)
        .header("allow", allowed)
}

pub(crate) fn invalid_argument(text: &str, name: &str, value: &str) -> AwsError {
    AwsError::new("InvalidArgument", 400, text)
        .element("ArgumentName", name)
        .element("ArgumentValue", value)
}

pub(crate) fn invalid_request(text: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequest", 400, text)
}

/// A header that is for buckets of another kind.
pub(crate) fn header_not_implemented(name: &'static str) -> AwsError {
    let text = "A header you provided implies functionality that is not implemented";
    AwsError::new("NotImplemented", 501, text).element("Header", name)
}

pub(crate) fn malformed_xml() -> AwsError {
    let text = "The XML you provided was not well-formed or did not validate against our \
                published schema";
    AwsError::new("MalformedXML", 400, text)
}

/// A condition of the request's headers does not hold.
pub(crate) fn precondition_failed(condition: &'static str) -> AwsError {
    let text = "At least one of the pre-conditions you specified did not hold";
    AwsError::new("PreconditionFailed", 412, text).element("Condition", condition)
}

pub(crate) fn access_denied() -> AwsError {
    AwsError::new("AccessDenied", 403, "Access Denied")
}

/// A version that object lock protects.
pub(crate) fn locked() -> AwsError {
    let text = "Access Denied because object protected by object lock.";
    AwsError::new("AccessDenied", 403, text)
}

pub(crate) fn acl_not_supported() -> AwsError {
    AwsError::new("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
}

/// A configuration that nobody made.
pub(crate) fn no_configuration(code: &'static str, text: &str, bucket: &str) -> AwsError {
    AwsError::new(code, 404, text).element("BucketName", bucket)
}

/// The records cannot be read or written.
pub(crate) fn disk(error: &KvError) -> AwsError {
    tracing::error!(%error, "records of objects could not be read or written");
    if matches!(error, KvError::Full(_)) {
        return AwsError::disk_full();
    }
    AwsError::new("InternalError", 500, "We encountered an internal error. Please try again.")
}

/// The bytes cannot be read or written.
pub(crate) fn bytes(error: &haar_blobs::BlobError) -> AwsError {
    tracing::error!(%error, "bytes of objects could not be read or written");
    if error.is_full() {
        return AwsError::disk_full();
    }
    AwsError::new("InternalError", 500, "We encountered an internal error. Please try again.")
}
