//! A message, as the index knows it and as the store keeps it.

use std::sync::Arc;

use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rules::message::Attributes;

/// What changes while a message waits and is received; all that is in memory of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) sent_at: Timestamp,
    /// Nobody sees it before.
    pub(crate) due_at: Timestamp,
    pub(crate) receive_count: u32,
    /// Meaningless before it was received.
    pub(crate) first_received_at: Timestamp,
    /// When the last delivery began.
    pub(crate) received_at: Timestamp,
    /// Names the last delivery; zero before the first.
    pub(crate) delivery: u64,
    pub(crate) group: Option<Arc<str>>,
}

/// What never changes; it is on disk alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) message_id: String,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) trace: Option<String>,
    pub(crate) sender: String,
    pub(crate) deduplication: Option<String>,
    /// The queue that gave it up.
    pub(crate) source_arn: Option<String>,
}

/// A message on its way into a queue.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) content: Content,
    pub(crate) due_at: Timestamp,
    pub(crate) group: Option<Arc<str>>,
    /// What it is told apart from others by, where it is.
    pub(crate) dedup_key: Option<String>,
}

/// What its sender is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) sequence: u64,
}

/// A message that was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) sequence: u64,
    pub(crate) record: Record,
}
