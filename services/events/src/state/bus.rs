//! Event buses.

use haar_events_contract::model::LogConfig;
use haar_ledger::Row;
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::BusKey;

/// An event bus. The default bus has a row once something of it was changed. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BusRow {
    pub(crate) key: BusKey,
    pub(crate) description: Option<String>,
    /// A JSON document.
    pub(crate) policy: Option<String>,
    /// Kept and shown: rules' targets have dead letters of their own.
    pub(crate) dead_letter_arn: Option<String>,
    /// Kept and shown.
    pub(crate) kms_key: Option<String>,
    /// Kept and shown.
    pub(crate) log_config: Option<LogConfig>,
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

impl BusRow {
    /// A bus with nothing of its own.
    pub(crate) fn new(key: BusKey, now: Timestamp) -> Self {
        Self {
            key,
            description: None,
            policy: None,
            dead_letter_arn: None,
            kms_key: None,
            log_config: None,
            tags: Tags::new(),
            created_at: now,
            modified_at: now,
        }
    }
}

impl Row for BusRow {
    type Key = BusKey;
    const TABLE: &'static str = "events.bus";

    fn key(&self) -> BusKey {
        self.key.clone()
    }
}
