//! The room's tables.

mod consumer;
mod shard;
mod stream;

use std::sync::Arc;

use haar_ledger::{Row, Snapshot, Tables};
use haar_types::AccountId;
use serde::{Deserialize, Serialize};

pub(crate) use consumer::{ConsumerKey, ConsumerRow};
pub(crate) use shard::{ShardKey, ShardRow};
pub(crate) use stream::{Change, StreamKey, StreamRow};

/// What an account has set. Writer: operations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountRow {
    pub(crate) account: AccountId,
    /// Since when it commits to a minimum of throughput; recorded, and moves no price.
    pub(crate) committed_at: Option<haar_types::Timestamp>,
}

impl Row for AccountRow {
    type Key = AccountId;
    const TABLE: &'static str = "kinesis.account";

    fn key(&self) -> AccountId {
        self.account.clone()
    }
}

/// The room's tables, for the ledger.
pub fn tables() -> Tables {
    Tables::new().with::<StreamRow>().with::<ShardRow>().with::<ConsumerRow>().with::<AccountRow>()
}

/// A stream's shards, in the order of their numbers.
pub(crate) fn shards<'s>(
    snapshot: &'s Snapshot,
    stream: &StreamRow,
) -> impl DoubleEndedIterator<Item = Arc<ShardRow>> + 's {
    let at = |number| ShardKey { stream: stream.id, number };
    snapshot.range::<ShardRow>(at(0)..=at(u32::MAX))
}

/// A stream's open shards, in the order of their numbers.
pub(crate) fn open_shards<'s>(
    snapshot: &'s Snapshot,
    stream: &StreamRow,
) -> impl DoubleEndedIterator<Item = Arc<ShardRow>> + 's {
    shards(snapshot, stream).filter(|shard| shard.end.is_none())
}

/// A stream's consumers, by name.
pub(crate) fn consumers<'s>(
    snapshot: &'s Snapshot,
    stream: &StreamKey,
) -> impl Iterator<Item = Arc<ConsumerRow>> + 's {
    let at = |name: &str| ConsumerKey { stream: stream.clone(), name: name.to_owned() };
    snapshot.range::<ConsumerRow>(at("")..=at("~"))
}
