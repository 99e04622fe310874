//! Errors that a customer sees.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::operation::{Protocol, ServiceSchema};
use crate::schema::Fault;
use crate::{Shape, text_member};

/// Any error a customer sees: a shape of the model's, or one that all services share.
///
/// Every generated error shape is `Into<AwsError>`, so handlers use `?`.
#[derive(Clone)]
pub struct AwsError(Box<Parts>);

#[derive(Clone)]
struct Parts {
    name: Cow<'static, str>,
    code: Cow<'static, str>,
    status: u16,
    status_by_target: Option<u16>,
    fault: Fault,
    message: String,
    detail: Option<Arc<dyn Shape>>,
    elements: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl AwsError {
    /// An error by its code; a status of 500 and more is the service's fault.
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        status: u16,
        message: impl Into<String>,
    ) -> Self {
        let code = code.into();
        let fault = if status >= 500 { Fault::Receiver } else { Fault::Sender };
        Self(Box::new(Parts {
            name: code.clone(),
            code,
            status,
            status_by_target: None,
            fault,
            message: message.into(),
            detail: None,
            elements: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// The same with another code in the query protocol.
    #[must_use]
    pub fn query_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = code.into();
        self
    }

    /// The same with another status where an operation is called by a target (`X-Amz-Target`).
    #[must_use]
    pub fn status_by_target(mut self, status: u16) -> Self {
        self.0.status_by_target = Some(status);
        self
    }

    /// An error of the model's.
    pub fn from_shape(shape: impl Shape) -> Self {
        let schema = shape.schema();
        let error = schema.error();
        let message = text_member(&shape, "message").or_else(|| text_member(&shape, "Message"));
        Self(Box::new(Parts {
            name: Cow::Borrowed(schema.name),
            code: Cow::Borrowed(error.map_or(schema.name, |error| error.code)),
            status: error.map_or(400, |error| error.status),
            status_by_target: None,
            fault: error.map_or(Fault::Sender, |error| error.fault),
            message: message.unwrap_or_default(),
            detail: Some(Arc::new(shape)),
            elements: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// The same with one more header in HTTP answers, such as `x-amz-delete-marker`.
    #[must_use]
    pub fn header(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.headers.push((name, text.into()));
        self
    }

    /// The same with one more element in XML answers, such as S3's `BucketName`.
    #[must_use]
    pub fn element(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.elements.push((name, text.into()));
        self
    }

    /// Its name in the JSON and CBOR protocols, such as `ResourceNotFoundException`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its code in the query protocol, such as `NoSuchEntity`; often the same as the name.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// HTTP status of an answer in a protocol.
    pub(crate) fn status_in(&self, protocol: Protocol) -> u16 {
        let is_by_target =
            matches!(protocol, Protocol::Json10 | Protocol::Json11 | Protocol::Cbor11);
        self.0.status_by_target.filter(|_| is_by_target).unwrap_or(self.0.status)
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// True when the same call may succeed later with nothing else changed: a fault of the
    /// service, or too many calls. What haar does not have (501) will not be there later.
    pub fn is_transient(&self) -> bool {
        let is_fault = self.status() >= 500 && self.status() != 501;
        is_fault || self.status() == 429 || is_throttling(self.name())
    }

    /// What it says to people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Headers that HTTP answers have beside the protocol's own.
    pub(crate) fn headers(&self) -> &[(&'static str, String)] {
        &self.0.headers
    }

    /// Elements that XML answers have beside code and message.
    pub(crate) fn elements(&self) -> &[(&'static str, String)] {
        &self.0.elements
    }

    /// The model's shape, if it is one.
    pub fn shape(&self) -> Option<&dyn Shape> {
        self.0.detail.as_deref()
    }
}

/// Whether an error's name or code says that there were too many calls. *AWS SDKs and Tools
/// Reference Guide > Retry behavior*; without `LimitExceededException`, which in most services is a
/// quota that time does not lift.
pub fn is_throttling(code: &str) -> bool {
    const CODES: [&str; 13] = [
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    ];
    CODES.contains(&code)
}

/// Errors that all services share.
impl AwsError {
    /// 403: a policy says no. To services that are called by targets it is a bad request, as all
    /// that the caller did wrong.
    pub fn access_denied(message: impl Into<String>) -> Self {
        let denied = Self::new("AccessDeniedException", 403, message);
        denied.query_code("AccessDenied").status_by_target(400)
    }

    /// 403: no signature where one is needed.
    pub fn missing_authentication_token() -> Self {
        Self::new("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
            .query_code("MissingAuthenticationToken")
    }

    /// 501: AWS has this operation, haar does not.
    pub fn not_implemented(service: &ServiceSchema, operation: &str) -> Self {
        let message = format!("{}.{operation} is not implemented by haar", service.id);
        Self::new("NotImplemented", 501, message)
    }

    /// The service has no operation of this name.
    pub fn unknown_operation(service: &ServiceSchema, operation: &str) -> Self {
        let message =
            format!("Could not find operation {operation} for version {}", service.api_version);
        Self::new("UnknownOperationException", 400, message).query_code("InvalidAction")
    }

    /// 404: no service answers to this request.
    pub fn unknown_service() -> Self {
        Self::new("UnknownOperationException", 404, "no service recognises this request")
            .query_code("InvalidAction")
    }

    /// 400: the body cannot be read as the model's input.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", 400, message).query_code("MalformedInput")
    }

    /// 400: the input breaks the model's constraints, worded and named by the service's style.
    pub fn validation(service: &ServiceSchema, message: impl Into<String>) -> Self {
        Self::new(service.error_style.validation_code, 400, message)
    }

    /// 413: more bytes than allowed.
    pub fn request_too_large(bytes_max: usize) -> Self {
        let message = format!("Request must be smaller than {bytes_max} bytes");
        Self::new("RequestEntityTooLargeException", 413, message)
            .query_code("RequestEntityTooLarge")
    }

    /// 429, or 400 in the query protocol's services: too many requests.
    pub fn throttling(message: impl Into<String>) -> Self {
        Self::new("ThrottlingException", 400, message).query_code("Throttling")
    }

    /// 503: the disk that state is written to has no room; the call may succeed later.
    pub fn disk_full() -> Self {
        Self::new(
            "ServiceUnavailable",
            503,
            "Service is unable to handle request: the disk is full.",
        )
    }

    /// 500: our fault; the request id is in the answer.
    pub fn internal_failure(message: impl Into<String>) -> Self {
        Self::new("InternalFailure", 500, message)
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.name, self.0.message)
    }
}

impl fmt::Debug for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.0.name, self.0.status, self.0.message)
    }
}

impl std::error::Error for AwsError {}

impl PartialEq for AwsError {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
            && self.0.status == other.0.status
            && self.0.message == other.0.message
    }
}
