//! Why a stage failed.

use haar_kernel::targets::Undelivered;
use haar_wire::AwsError;
use serde_json::{Value, json};

/// A failed stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) status: u16,
    /// Who said so: `lambda`, `sqs`.
    pub(super) service: String,
    /// The same may succeed later, and counts as no attempt: AWS docs: *Error handling*, pipe
    /// internal errors.
    pub(super) is_transient: bool,
    pub(super) is_timeout: bool,
}

impl Failure {
    /// The customer's part: a template, a parameter, a function.
    pub(super) fn lasting(service: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status: 400,
            service: service.to_owned(),
            is_transient: false,
            is_timeout: false,
        }
    }

    /// An execution took too long.
    pub(super) fn timeout() -> Self {
        let text = "The execution did not complete within 5 minutes.";
        Self { is_timeout: true, ..Self::lasting("pipes", "ExecutionTimeout", text) }
    }

    pub(super) fn of(service: &str, error: &AwsError) -> Self {
        Self {
            code: error.name().to_owned(),
            message: error.message().to_owned(),
            status: error.status(),
            service: service.to_owned(),
            is_transient: error.is_transient(),
            is_timeout: false,
        }
    }

    pub(super) fn of_delivery(service: &str, error: Undelivered) -> Self {
        let status = if error.is_transient { 503 } else { 400 };
        let is_transient = error.is_transient;
        Self { status, is_transient, ..Self::lasting(service, &error.code, error.message) }
    }

    /// As logs tell it.
    pub(super) fn shown(&self) -> Value {
        json!({
            "httpStatusCode": self.status,
            "message": format!("{}: {}", self.code, self.message),
            "details": "",
            "awsService": self.service,
            "requestId": "",
        })
    }
}
