//! Streams.

use std::collections::BTreeSet;
use std::time::Duration;

use haar_kinesis_contract::{MetricsName, StreamMode, StreamStatus};
use haar_ledger::Row;
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// Names a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct StreamKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl StreamKey {
    /// `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{}", self.region, self.account, self.name)
    }
}

/// What is to become of a stream's shards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// One shard becomes two; the second begins at this hash key.
    Split(u32, u128),
    /// Two neighbours become one.
    Merge(u32, u32),
    /// So many shards of equal size.
    Scale(u32),
}

/// One stream. Writer: operations; `controllers::streams` settles what is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    /// Key.
    pub(crate) key: StreamKey,
    /// Names this incarnation in the keys of its shards and records.
    pub(crate) id: u64,
    pub(crate) status: StreamStatus,
    pub(crate) mode: StreamMode,
    pub(crate) retention_hours: i32,
    pub(crate) created_at: Timestamp,
    /// What its shards report one by one; never `ALL`.
    pub(crate) shard_metrics: BTreeSet<MetricsName>,
    /// The key that it is said to be encrypted with.
    pub(crate) key_id: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) policy: Option<String>,
    pub(crate) warm_mibps: Option<i32>,
    pub(crate) record_kib_max: i32,
    /// The number of the next shard.
    pub(crate) next_shard: u32,
    /// What is asked for while it is `UPDATING`.
    pub(crate) change: Option<Change>,
    /// When it was scaled of late; AWS allows ten times in a day.
    pub(crate) scaled_at: Vec<Timestamp>,
    /// When its mode was changed of late; AWS allows two times in a day.
    pub(crate) mode_changed_at: Vec<Timestamp>,
    /// Writer: `controllers::charges`. Until when its shards are paid for.
    pub(crate) charged_until: Option<Timestamp>,
    /// When its capacity was doubled last, in on-demand mode.
    #[serde(default)]
    pub(crate) grown_at: Option<Timestamp>,
}

impl StreamRow {
    /// For how long records are kept.
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.retention_hours).unwrap_or(24) * 3600)
    }
}

impl Row for StreamRow {
    type Key = StreamKey;
    const TABLE: &'static str = "kinesis.stream";

    fn key(&self) -> StreamKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.id == new.id && new.next_shard < old.next_shard => {
                Err("numbers of shards come back".to_owned())
            }
            _ => Ok(()),
        }
    }
}
