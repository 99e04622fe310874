//! Events whose group or stream is gone.

use haar_ledger::Row;
use serde::{Deserialize, Serialize};

/// Events that are to be removed. Writer: operations; `controllers::sweeper` removes events
/// and row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct GarbageRow {
    /// The group's id.
    pub(crate) group_id: u64,
    /// The stream's id; None for all streams of the group.
    pub(crate) stream_id: Option<u64>,
}

impl Row for GarbageRow {
    type Key = (u64, Option<u64>);
    const TABLE: &'static str = "logs.garbage";

    fn key(&self) -> Self::Key {
        (self.group_id, self.stream_id)
    }
}
