//! One record on its way.

use haar_types::Timestamp;
use serde_json::Value;

/// One message of a queue, or one record of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// A queue's message id, a stream's sequence number.
    pub id: String,
    /// As its consumer gets it.
    pub record: Value,
    /// What keeps its order: a message group, a partition key.
    pub group: String,
    /// When it came in.
    pub at: Timestamp,
    /// Bytes that it counts of a batch.
    pub size: usize,
    /// What deletes it: a receipt handle. Empty for streams.
    pub handle: String,
    /// False: a filter drops it.
    pub is_wanted: bool,
}
