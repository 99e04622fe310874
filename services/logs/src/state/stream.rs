//! Log streams.

use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::GroupKey;
use crate::rules::batch::EVENT_OVERHEAD;

/// Names a log stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct StreamKey {
    pub(crate) group: GroupKey,
    pub(crate) name: String,
}

/// One log stream. Writer: operations and the sink; `controllers::sweeper` shrinks it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    /// Key.
    pub(crate) key: StreamKey,
    /// Names this incarnation in the keys of its events.
    pub(crate) id: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) first_event_at: Option<Timestamp>,
    pub(crate) last_event_at: Option<Timestamp>,
    pub(crate) last_ingested_at: Option<Timestamp>,
    /// Messages and what each event counts beside.
    pub(crate) stored_bytes: u64,
}

impl StreamRow {
    /// A stream that is about to exist.
    pub(crate) fn new(key: StreamKey, id: u64, now: Timestamp) -> Self {
        Self {
            key,
            id,
            created_at: now,
            first_event_at: None,
            last_event_at: None,
            last_ingested_at: None,
            stored_bytes: 0,
        }
    }

    /// Takes note of an event.
    pub(crate) fn note(&mut self, timestamp: Timestamp, message_bytes: usize, now: Timestamp) {
        let earliest = |known: Timestamp| known.min(timestamp);
        self.first_event_at = Some(self.first_event_at.map_or(timestamp, earliest));
        self.last_event_at = self.last_event_at.max(Some(timestamp));
        self.last_ingested_at = self.last_ingested_at.max(Some(now));
        self.stored_bytes += (message_bytes + EVENT_OVERHEAD) as u64;
    }
}

impl Row for StreamRow {
    type Key = StreamKey;
    const TABLE: &'static str = "logs.stream";

    fn key(&self) -> StreamKey {
        self.key.clone()
    }
}
