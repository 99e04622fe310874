//! Account settings, and the tokens that make retries safe.

use std::time::Duration;

use haar_ledger::Row;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ClusterKey, TaskKey};

/// An account setting that was changed. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SettingRow {
    /// Key: account, region, ARN of the principal (empty: the account's default), name.
    pub key: (AccountId, Region, String, String),
    /// Its value.
    pub value: String,
}

impl Row for SettingRow {
    type Key = (AccountId, Region, String, String);
    const TABLE: &'static str = "ecs.setting";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// What a `RunTask` with a client token did. Removed by the sweeper when it is too old.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenRow {
    /// Key: cluster and token.
    pub key: (ClusterKey, String),
    /// Digest of the request.
    pub request: String,
    /// The tasks that it made.
    pub tasks: Vec<TaskKey>,
    /// When.
    pub used_at: Timestamp,
}

impl Row for TokenRow {
    type Key = (ClusterKey, String);
    const TABLE: &'static str = "ecs.client-token";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// How far a container's output is in its log stream. Writer: the log's own loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPositionRow {
    /// Key: task and container.
    pub key: (TaskKey, String),
    /// Bytes of output.
    pub position: u64,
}

impl Row for LogPositionRow {
    type Key = (TaskKey, String);
    const TABLE: &'static str = "ecs.log-position";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

/// What a task was charged for so far. Writer: the meter's loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeterRow {
    /// Key.
    pub key: TaskKey,
    /// Time.
    pub charged: Duration,
}

impl Row for MeterRow {
    type Key = TaskKey;
    const TABLE: &'static str = "ecs.meter";

    fn key(&self) -> TaskKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.charged < old.charged => Err("less than before is charged".to_owned()),
            _ => Ok(()),
        }
    }
}
