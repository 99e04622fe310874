//! How asynchronous invocations are retried and where they end.

use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::QualifiedKey;

/// `FunctionEventInvokeConfig` of a version or an alias. Writer: operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventInvokeRow {
    /// Key. The qualifier is never empty: `$LATEST` is spelled out.
    pub key: QualifiedKey,
    /// When it was last changed.
    pub last_modified_at: Timestamp,
    /// Retries, 0 to 2; two where `None`.
    pub maximum_retry_attempts: Option<u32>,
    /// Age of an event at most, 60 to 21,600 seconds; the latter where `None`.
    pub maximum_event_age_s: Option<u32>,
    /// Where a result goes.
    pub on_success: Option<String>,
    /// Where a failure goes.
    pub on_failure: Option<String>,
}

impl Row for EventInvokeRow {
    type Key = QualifiedKey;
    const TABLE: &'static str = "lambda.event_invoke_config";

    fn key(&self) -> QualifiedKey {
        self.key.clone()
    }
}
