//! Extensions of one environment. AWS docs: *Using the Lambda Extensions API*.

use bytes::Bytes;
use haar_clock::IdSource;
use serde_json::json;

use super::state::Parked;
use crate::log::ExtensionState;

/// One registered extension.
#[derive(Debug, Default)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) wants_invoke: bool,
    pub(super) wants_shutdown: bool,
    /// It has asked for its next event.
    pub(super) waits: bool,
    pub(super) parked: Option<Parked>,
    /// An event for a poll that is still on its way.
    pub(super) queued: Option<Bytes>,
}

impl Extension {
    /// As logs and telemetry show it.
    pub(super) fn state(&self, state: &'static str, error_type: Option<String>) -> ExtensionState {
        let events = [("INVOKE", self.wants_invoke), ("SHUTDOWN", self.wants_shutdown)];
        let events = events.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name);
        ExtensionState { name: self.name.clone(), events: events.collect(), state, error_type }
    }

    /// Answers where to write the message now, or keeps it for the next poll.
    pub(super) fn tell(&mut self, message: Bytes) -> Option<(Parked, Bytes)> {
        self.waits = false;
        match self.parked.take() {
            Some(parked) => Some((parked, message)),
            None => {
                self.queued = Some(message);
                None
            }
        }
    }
}

/// Why an environment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownReason {
    /// It was idle, or its function changed.
    Spindown,
    /// An invocation took too long.
    Timeout,
    /// The runtime or an extension failed.
    Failure,
}

impl ShutdownReason {
    pub(super) fn message(self, deadline_ms: i64, ids: &IdSource) -> Bytes {
        let reason = match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        };
        let event = json!({
            "eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms,
        });
        answer(&event, ids)
    }
}

/// What extensions are told of an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InvokeNotice<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) deadline_ms: i64,
    pub(crate) function_arn: &'a str,
    pub(crate) trace: &'a str,
}

impl InvokeNotice<'_> {
    pub(super) fn message(&self, ids: &IdSource) -> Bytes {
        let event = json!({
            "eventType": "INVOKE",
            "deadlineMs": self.deadline_ms,
            "requestId": self.request_id,
            "invokedFunctionArn": self.function_arn,
            "tracing": { "type": "X-Amzn-Trace-Id", "value": self.trace },
        });
        answer(&event, ids)
    }
}

fn answer(event: &serde_json::Value, ids: &IdSource) -> Bytes {
    let identifier = format!("Lambda-Extension-Event-Identifier: {}\r\n", ids.uuid());
    super::http::json_answer("200 OK", &identifier, &event.to_string())
}
