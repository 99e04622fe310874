//! Tables' streams, for DynamoDB Streams' room and for who is woken by records.

use std::collections::BTreeMap;

use haar_ledger::Snapshot;
use haar_types::{AccountId, Region, Timestamp};
use tokio::sync::watch;

use crate::{AttributeValue, KeySchemaElement, StreamViewType};

/// A number that orders a stream's records; see [`shown_sequence`] for how answers write it.
pub type Sequence = u64;

/// A stream as it is.
#[derive(Clone, Debug)]
pub struct StreamFacts {
    /// Its ARN.
    pub arn: String,
    /// The table's name.
    pub table: String,
    /// When it was made, as part of the ARN.
    pub label: String,
    /// What records show of items.
    pub view: StreamViewType,
    /// The table's key.
    pub keys: Vec<KeySchemaElement>,
    /// When it was made.
    pub created_at: Timestamp,
    /// False: no records come any more.
    pub is_enabled: bool,
}

/// One shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFacts {
    /// `shardId-…`.
    pub id: String,
    /// The shard before it, while that is known.
    pub parent: Option<String>,
    /// No record of the shard has a smaller number.
    pub first: Sequence,
    /// No record of the shard has, or will have, a greater number; `None` while it is open.
    pub last: Option<Sequence>,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// It came.
    Insert,
    /// It changed.
    Modify,
    /// It went.
    Remove,
}

/// One record.
#[derive(Clone, Debug)]
pub struct StreamEntry {
    /// Its place.
    pub sequence: Sequence,
    /// What happened.
    pub event: StreamEvent,
    /// When.
    pub at: Timestamp,
    /// True where time to live removed the item.
    pub is_expiry: bool,
    /// The item's key.
    pub keys: BTreeMap<String, AttributeValue>,
    /// The item after, where the view shows it.
    pub new_image: Option<BTreeMap<String, AttributeValue>>,
    /// The item before, where the view shows it.
    pub old_image: Option<BTreeMap<String, AttributeValue>>,
    /// Bytes that it counts.
    pub size_bytes: i64,
}

/// The store did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not read the stream's records")]
pub struct StreamFault;

/// Tables' streams. It authorises nobody: that is the reader's part.
pub trait StreamPeek: Send + Sync {
    /// The stream of an ARN.
    fn stream(&self, snapshot: &Snapshot, arn: &str) -> Option<StreamFacts>;

    /// The streams of an account in a region, or of one of its tables, by their ARNs.
    fn streams(
        &self,
        snapshot: &Snapshot,
        account: &AccountId,
        region: &Region,
        table: Option<&str>,
    ) -> Vec<StreamFacts>;

    /// A stream's shards, oldest first; none where there is no such stream.
    ///
    /// # Errors
    /// When the store does not answer.
    fn shards(&self, snapshot: &Snapshot, arn: &str) -> Result<Vec<ShardFacts>, StreamFault>;

    /// A stream's records from `first` to `last`, oldest first, at most `limit` and 1 MB of
    /// them. What is older than 24 hours is not among them.
    ///
    /// # Errors
    /// When the store does not answer.
    fn records(
        &self,
        snapshot: &Snapshot,
        arn: &str,
        range: (Sequence, Sequence),
        limit: usize,
    ) -> Result<Vec<StreamEntry>, StreamFault>;

    /// Tells of the newest record's number as records come, so that readers need not ask again
    /// and again: read, then wait for a change of what was seen before reading. A stream that
    /// is disabled tells once more. `None` where there is no such stream.
    fn grown(&self, stream_arn: &str) -> Option<watch::Receiver<Sequence>>;
}

/// Stands before all sequence numbers, so that their texts are 21 digits and sort as they do.
const SEQUENCE_BASE: u128 = 100_000_000_000_000_000_000;

/// A sequence number as answers write it.
pub fn shown_sequence(sequence: Sequence) -> String {
    (SEQUENCE_BASE + u128::from(sequence)).to_string()
}

/// The sequence number that a text stands for.
pub fn read_sequence(text: &str) -> Option<Sequence> {
    let number = text.parse::<u128>().ok()?.checked_sub(SEQUENCE_BASE)?;
    Sequence::try_from(number).ok().filter(|_| text.len() == 21)
}
