//! How invocations end.

use std::time::Duration;

use bytes::Bytes;
use haar_types::{RequestId, Timestamp};
use serde_json::json;
use tokio::sync::mpsc;

use super::Architecture;
use crate::log::Status;
use crate::runtime_api::RESPONSE_BYTES_MAX;

/// How an invocation ended that reached the function.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokeOutcome {
    /// The response, or the error's document.
    pub payload: Bytes,
    /// The error's type where the function failed (answered as `X-Amz-Function-Error:
    /// Unhandled`).
    pub function_error: Option<String>,
    /// The last 4 KB of the log, where it was asked for.
    pub log_tail: Option<String>,
    /// `$LATEST` or a number.
    pub executed_version: String,
    /// Time in the function.
    pub duration: Duration,
    /// Time to get its environment ready, on a cold start.
    pub init: Option<Duration>,
}

/// A response that is still coming.
#[derive(Debug)]
pub struct StreamOutcome {
    /// As the function gave it.
    pub content_type: String,
    /// `$LATEST` or a number.
    pub executed_version: String,
    /// Its pieces; the last is [`StreamEvent::Complete`].
    pub events: mpsc::Receiver<StreamEvent>,
}

/// A piece of a streamed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// Some bytes.
    Payload(Bytes),
    /// The end.
    Complete {
        /// The error's type, where the function failed.
        error_code: Option<String>,
        /// The error's document.
        error_details: Option<String>,
        /// The last 4 KB of the log, where it was asked for.
        log_tail: Option<String>,
    },
}

/// Why an invocation did not reach the function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// `TooManyRequestsException`
    #[error("Rate Exceeded.")]
    TooManyRequests(ThrottleReason),
    /// `InvalidRuntimeException`: the runtime cannot run on this host.
    #[error("{0}")]
    InvalidRuntime(String),
    /// `AccessDeniedException`: the role is gone, or trusts Lambda no more.
    #[error("The role defined for the function cannot be assumed by Lambda.")]
    Role,
    /// `ServiceException`: the environment could not be made.
    #[error("{0}")]
    Service(String),
}

/// `TooManyRequestsException`'s `Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleReason {
    /// The function's reservation is in use.
    ReservedFunctionConcurrentInvocationLimitExceeded,
    /// The account's unreserved concurrency is in use.
    ConcurrentInvocationLimitExceeded,
    /// The function scales faster than 1,000 environments each ten seconds.
    FunctionInvocationRateLimitExceeded,
}

impl ThrottleReason {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::FunctionInvocationRateLimitExceeded => "FunctionInvocationRateLimitExceeded",
        }
    }
}

/// What one invocation used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The function.
    pub function_name: String,
    /// When it ended.
    pub at: Timestamp,
    /// Billed milliseconds.
    pub billed_ms: u64,
    /// Memory in MB (mebibytes).
    pub memory_mb: u64,
    /// `/tmp` in MB (mebibytes); beyond 512 it is priced.
    pub ephemeral_mb: u64,
    /// The environment was held ready, which is priced otherwise.
    pub provisioned: bool,
    /// Priced apart.
    pub architecture: Architecture,
}

/// Why the function itself failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionFailure {
    pub(crate) error_type: String,
    pub(crate) document: Bytes,
    /// Shown in REPORT, where the platform noticed it and not the function.
    pub(crate) reported: Option<&'static str>,
    /// The environment cannot be used again.
    pub(crate) fatal: bool,
}

impl FunctionFailure {
    /// The function's own error.
    pub(crate) fn posted(error_type: String, document: Bytes) -> Self {
        Self { error_type, document, reported: None, fatal: false }
    }

    pub(crate) fn platform(error_type: &'static str, id: &RequestId, text: &str) -> Self {
        let message = format!("RequestId: {} Error: {text}", id.as_str());
        let document = json!({ "errorType": error_type, "errorMessage": message }).to_string();
        Self {
            error_type: error_type.to_owned(),
            document: document.into(),
            reported: Some(error_type),
            fatal: true,
        }
    }

    /// The text of its document.
    pub(crate) fn message(&self) -> String {
        let document: serde_json::Value =
            serde_json::from_slice(&self.document).unwrap_or_default();
        document["errorMessage"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn timed_out(id: &RequestId, limit: Duration) -> Self {
        let text = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
        Self::platform("Sandbox.Timedout", id, &text)
    }

    pub(crate) fn exited(id: &RequestId, exit: haar_substrate::Exit) -> Self {
        let failure = Self::platform("Runtime.ExitError", id, &exit_text(exit));
        let reported =
            if exit.out_of_memory { Some("Runtime.OutOfMemory") } else { failure.reported };
        Self { reported, ..failure }
    }

    pub(crate) fn too_large() -> Self {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size \
             ({RESPONSE_BYTES_MAX} bytes)."
        );
        let error_type = "Function.ResponseSizeTooLarge".to_owned();
        let document = json!({ "errorType": error_type, "errorMessage": message }).to_string();
        let reported = Some("Function.ResponseSizeTooLarge");
        Self { error_type, document: document.into(), reported, fatal: false }
    }
}

fn exit_text(exit: haar_substrate::Exit) -> String {
    match (exit.code, exit.signal) {
        (_, Some(signal)) => {
            format!("Runtime exited with error: signal: {}", signal_name(signal))
        }
        (Some(0) | None, None) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), None) => format!("Runtime exited with error: exit status {code}"),
    }
}

/// As Go names signals, whose words AWS shows.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// How an invocation that failed so stands in its report.
pub(super) fn status(failure: &FunctionFailure) -> Status {
    match failure.error_type.as_str() {
        "Sandbox.Timedout" => Status::Timeout,
        _ => failure.reported.map_or(Status::Error, Status::Failure),
    }
}

#[cfg(test)]
mod tests {
    use haar_substrate::Exit;

    use super::*;

    #[test]
    fn an_exit_is_told_in_awss_words() {
        let exit = |code, signal| Exit { code, signal, out_of_memory: false };
        assert_eq!(exit_text(exit(Some(3), None)), "Runtime exited with error: exit status 3");
        assert_eq!(exit_text(exit(None, Some(9))), "Runtime exited with error: signal: killed");
        assert_eq!(exit_text(exit(Some(0), None)), "Runtime exited without providing a reason");
    }

    #[test]
    fn a_timeout_is_told_in_awss_words() {
        let failure =
            FunctionFailure::timed_out(&RequestId::new("r-1"), Duration::from_millis(3000));
        let document: serde_json::Value = serde_json::from_slice(&failure.document).unwrap();
        assert_eq!(document["errorType"], "Sandbox.Timedout");
        assert_eq!(
            document["errorMessage"],
            "RequestId: r-1 Error: Task timed out after 3.00 seconds"
        );
    }
}
