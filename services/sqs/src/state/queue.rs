//! Queues, and names that were queues' a moment ago.

use std::sync::Arc;
use std::time::Duration;

use haar_ledger::Row;
use haar_policy::{Document, Grammar};
use haar_types::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use crate::rules::attributes::Settings;

/// Whose a queue is, where, and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct QueueKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl QueueKey {
    /// `arn:aws:sqs:REGION:ACCOUNT:NAME`.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:sqs:{}:{}:{}", self.region, self.account, self.name)
    }

    /// The queue that an ARN names.
    pub(crate) fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok()?;
        let is_queue = arn.service() == "sqs" && !arn.resource().is_empty();
        let key = Self {
            account: arn.account().parse().ok()?,
            region: arn.region().parse().ok()?,
            name: arn.resource().to_owned(),
        };
        is_queue.then_some(key)
    }
}

/// A queue. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct QueueRow {
    pub(crate) key: QueueKey,
    /// This incarnation's; its messages are found by it.
    pub(crate) id: u64,
    pub(crate) settings: Settings,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    pub(crate) purged_at: Option<Timestamp>,
    pub(crate) tags: Tags,
}

impl QueueRow {
    /// How long its messages are kept.
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(self.settings.retention_seconds.into())
    }

    /// The queue's own policy.
    pub(crate) fn policy(&self) -> Option<Arc<Document>> {
        let text = self.settings.policy.as_deref()?;
        Document::parse(text, Grammar::Resource).ok().map(Arc::new)
    }
}

impl Row for QueueRow {
    type Key = QueueKey;
    const TABLE: &'static str = "sqs.queue";

    fn key(&self) -> QueueKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.settings.is_fifo != new.settings.is_fifo => {
                Err("a queue keeps its type".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A name that cannot be taken again yet. Writer: `DeleteQueue`; `CreateQueue` removes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeletedRow {
    pub(crate) key: QueueKey,
    pub(crate) at: Timestamp,
}

impl Row for DeletedRow {
    type Key = QueueKey;
    const TABLE: &'static str = "sqs.deleted";

    fn key(&self) -> QueueKey {
        self.key.clone()
    }
}
