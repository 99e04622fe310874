//! Tasks that move dead letters back.

use haar_ledger::Row;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::QueueKey;

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MoveStatus {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl MoveStatus {
    /// As answers show it.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether it may still move messages.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }
}

/// A task. Writer: operations ask for it and for its end; `controllers::moves` does it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MoveTaskRow {
    /// Account, region, and the task's own id.
    pub(crate) key: (AccountId, Region, String),
    pub(crate) source: QueueKey,
    /// `None`: each message to the queue that it came from.
    pub(crate) destination: Option<QueueKey>,
    pub(crate) rate_max: Option<u32>,
    pub(crate) status: MoveStatus,
    pub(crate) moved_count: u64,
    pub(crate) to_move_count: u64,
    pub(crate) failure: Option<String>,
    pub(crate) started_at: Timestamp,
    /// No message is moved before.
    pub(crate) next_at: Timestamp,
}

impl Row for MoveTaskRow {
    type Key = (AccountId, Region, String);
    const TABLE: &'static str = "sqs.move_task";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if !old.status.is_open() && new.status != old.status => {
                Err(format!("{:?} after {:?}", new.status, old.status))
            }
            _ => Ok(()),
        }
    }
}
