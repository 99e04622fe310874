//! Shards.

use haar_ledger::Row;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rules::sequence::Sequence;

/// Names a shard: its stream's incarnation, its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ShardKey {
    pub(crate) stream: u64,
    pub(crate) number: u32,
}

/// One shard: a range of hash keys from a sequence number on. Writer: `CreateStream` and
/// `controllers::streams`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardRow {
    /// Key.
    pub(crate) key: ShardKey,
    /// First and last hash key.
    pub(crate) hash_keys: (u128, u128),
    /// The shard or shards that it came from, while they were there.
    pub(crate) parents: Vec<u32>,
    /// Behind its parents' last.
    pub(crate) start: Sequence,
    /// Not before its last record; `None` while it is open.
    pub(crate) end: Option<Sequence>,
    pub(crate) created_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
}

impl Row for ShardRow {
    type Key = ShardKey;
    const TABLE: &'static str = "kinesis.shard";

    fn key(&self) -> ShardKey {
        self.key
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.end.is_some() && old.end != new.end => {
                Err("a closed shard changes its end".to_owned())
            }
            _ => Ok(()),
        }
    }
}
