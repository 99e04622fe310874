//! Errors as the registry answers them.

use haar_blobs::BlobError;
use haar_wire::{AwsError, Body};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::refusal;

/// One error. Codes are those of *OCI Distribution Specification 1.1 > Error codes*.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault(Box<Said>);

#[derive(Clone, Debug, PartialEq)]
struct Said {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
    headers: Vec<(&'static str, String)>,
}

impl Fault {
    /// An error by its code.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let (message, detail, headers) = (message.into(), Value::Null, Vec::new());
        Self(Box::new(Said { status, code, message, detail, headers }))
    }

    /// The same with a header more.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// The same, saying what it is about.
    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.0.detail = detail;
        self
    }

    /// No such path.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_INVALID", "invalid repository name")
    }

    /// The path has no such method.
    pub(super) fn unsupported() -> Self {
        let text = "The operation is unsupported.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", text)
    }

    /// A name that no repository can have.
    pub(super) fn bad_name(name: &str) -> Self {
        let text = "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must \
                    satisfy regular expression \
                    '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''";
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", text).detail(json!({ "name": name }))
    }

    /// A text that is no digest, or not what was sent.
    pub(super) fn bad_digest(digest: &str) -> Self {
        let text = "provided digest did not match uploaded content";
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", text)
            .detail(json!({ "digest": digest }))
    }

    /// The repository has no such blob.
    pub(super) fn no_blob(digest: &str) -> Self {
        let text = "blob unknown to registry";
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", text).detail(json!({ "digest": digest }))
    }

    /// The repository has no such manifest.
    pub(super) fn no_manifest(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message)
    }

    /// What went wrong with bytes.
    pub(super) fn of_blob(fault: &BlobError) -> Self {
        match fault {
            BlobError::Sender(text) => {
                Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", text.clone())
            }
            BlobError::Mismatch(actual) => Self::bad_digest(&actual.to_string()),
            fault => Self::from(refusal::server(fault)),
        }
    }

    /// As HTTP has it.
    pub(crate) fn response(self) -> Response<Body> {
        let Said { status, code, message, detail, headers } = *self.0;
        let error = json!({ "code": code, "message": message, "detail": detail });
        let text = json!({ "errors": [error] }).to_string();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        for (name, value) in headers {
            super::set(&mut response, name, value);
        }
        response
    }
}

/// The operations' errors in the registry's words.
impl From<AwsError> for Fault {
    fn from(error: AwsError) -> Self {
        let (status, code) = match error.name() {
            "RepositoryNotFoundException" => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            "ImageNotFoundException" => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            "LayersNotFoundException" | "ReferencedImagesNotFoundException" => {
                (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN")
            }
            "ImageTagAlreadyExistsException" => (StatusCode::BAD_REQUEST, "TAG_INVALID"),
            "UploadNotFoundException" => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            "AccessDeniedException" => (StatusCode::FORBIDDEN, "DENIED"),
            "UnableToGetUpstreamImageException" => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            _ if error.status() >= 500 => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
            _ => (StatusCode::BAD_REQUEST, "UNSUPPORTED"),
        };
        Self::new(status, code, error.message())
    }
}
