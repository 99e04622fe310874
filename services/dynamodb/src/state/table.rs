//! Tables and their indexes.

use std::collections::BTreeSet;

use haar_dynamodb_contract::{
    BillingMode, IndexStatus, ScalarAttributeType, StreamViewType, TableClass, TableStatus,
};
use haar_ledger::Row;
use haar_types::{AccountId, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::Capture;
use crate::rules::schema::{KeySchema, Projected};

/// Whose a table is, where, and its name.
pub(crate) type TableKey = (AccountId, Region, String);

/// A table. Writers: operations; `controllers::tables` for the ends of what takes time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TableRow {
    pub(crate) key: TableKey,
    /// Stands before all its keys in kv; never used again.
    pub(crate) id: u64,
    /// Shown as `TableId`.
    pub(crate) uuid: String,
    pub(crate) status: TableStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) keys: KeySchema,
    /// Every defined attribute, in the order of the request.
    pub(crate) attributes: Vec<(String, ScalarAttributeType)>,
    pub(crate) indexes: Vec<Index>,
    /// The number that the next index gets.
    pub(crate) next_index: u32,
    pub(crate) billing: Billing,
    pub(crate) stream: Option<Stream>,
    pub(crate) ttl: Ttl,
    pub(crate) tags: Tags,
    pub(crate) is_protected: bool,
    pub(crate) class: TableClass,
    pub(crate) class_changed_at: Option<Timestamp>,
    pub(crate) sse: Option<Sse>,
    /// The encryption that it is on its way to.
    #[serde(default)]
    pub(crate) sse_update: Option<SseUpdate>,
    #[serde(default)]
    pub(crate) sse_changes: SseChanges,
    /// The resource policy and its revision.
    pub(crate) policy: Option<Policy>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) restored: Option<Restored>,
    /// Backups and restored tables that are yet to be copied from this one, by their ids. It
    /// stays until they are.
    #[serde(default)]
    pub(crate) copies: BTreeSet<u64>,
    /// True while there may be something in its past.
    #[serde(default)]
    pub(crate) has_past: bool,
    /// True while it is filled from a bucket.
    #[serde(default)]
    pub(crate) is_importing: bool,
    /// Kinesis streams that its changes go to, or went to.
    #[serde(default)]
    pub(crate) captures: Vec<Capture>,
}

/// A secondary index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Stands before its keys in kv; never used again in its table.
    pub(crate) number: u32,
    pub(crate) is_global: bool,
    pub(crate) keys: KeySchema,
    pub(crate) projected: Projected,
    pub(crate) status: IndexStatus,
    pub(crate) throughput: Throughput,
    /// Most request units for reads and writes on demand.
    pub(crate) on_demand: Option<(Option<i64>, Option<i64>)>,
}

/// How a table is paid for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Billing {
    pub(crate) mode: BillingMode,
    /// False until a mode is named: AWS then shows no summary.
    pub(crate) is_named: bool,
    pub(crate) throughput: Throughput,
    pub(crate) on_demand_since: Option<Timestamp>,
    pub(crate) on_demand: Option<(Option<i64>, Option<i64>)>,
    pub(crate) warm: Option<(i64, i64)>,
}

/// Provisioned units a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    pub(crate) read: i64,
    pub(crate) write: i64,
    pub(crate) increased_at: Option<Timestamp>,
    pub(crate) decreased_at: Option<Timestamp>,
    /// Decreases of the day of `decreased_at`.
    pub(crate) decreases: i64,
}

/// The stream that a table has, or had last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) id: u64,
    pub(crate) label: String,
    pub(crate) view: StreamViewType,
    pub(crate) created_at: Timestamp,
    pub(crate) is_enabled: bool,
}

/// Time to live.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ttl {
    /// The attribute, while enabled or on its way there.
    pub(crate) attribute: Option<String>,
    /// True once every item that has the attribute is known by its time.
    pub(crate) is_ready: bool,
    pub(crate) changed_at: Option<Timestamp>,
}

/// Encryption with a key that the customer chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sse {
    pub(crate) key_arn: String,
}

/// What encryption becomes: with a key of the customer's choice, or with DynamoDB's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SseUpdate {
    pub(crate) to: Option<Sse>,
}

/// How often encryption was asked to change of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SseChanges {
    /// When it was last.
    pub(crate) last_at: Option<Timestamp>,
    /// Changes of the table's day of `last_at`.
    pub(crate) count: i64,
}

/// A resource policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) document: String,
    pub(crate) revision: String,
}

/// Point-in-time recovery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recovery {
    pub(crate) days: i32,
    pub(crate) since: Timestamp,
}

/// Where a restored table came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Restored {
    pub(crate) backup_arn: Option<String>,
    pub(crate) table_arn: String,
    pub(crate) at: Timestamp,
    /// The backup to be copied from, while it is.
    pub(crate) source: Option<u64>,
    /// The table to be copied from, as it was, while it is.
    #[serde(default)]
    pub(crate) table: Option<u64>,
}

impl Restored {
    /// True while items are copied.
    pub(crate) fn is_under_way(&self) -> bool {
        self.source.is_some() || self.table.is_some()
    }
}

impl TableRow {
    /// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`.
    pub(crate) fn arn(&self) -> String {
        let (account, region, name) = &self.key;
        format!("arn:aws:dynamodb:{region}:{account}:table/{name}")
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.key.2
    }

    /// The ARN of the stream it has, or had last.
    pub(crate) fn stream_arn(&self) -> Option<String> {
        Some(format!("{}/stream/{}", self.arn(), self.stream.as_ref()?.label))
    }

    /// True where a change keeps what was before it: for recovery, or for copies.
    pub(crate) fn keeps_past(&self) -> bool {
        self.recovery.is_some() || !self.copies.is_empty()
    }

    /// Notes a copy that is to be made of the items as they are.
    pub(crate) fn begin_copy(&mut self, id: u64) {
        self.copies.insert(id);
        self.has_past = true;
    }

    /// True where items may be read and written.
    pub(crate) fn serves(&self) -> bool {
        matches!(self.status, TableStatus::Active | TableStatus::Updating)
    }

    /// An index that may be read or is to be written.
    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Indexes whose entries are written; those on their way out are left.
    pub(crate) fn written_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.status != IndexStatus::Deleting)
    }

    /// Forgets definitions of attributes that no key uses any more.
    pub(crate) fn forget_attributes(&mut self) {
        let Self { keys, indexes, attributes, .. } = self;
        let mut all = vec![&*keys];
        all.extend(indexes.iter().map(|index| &index.keys));
        attributes.retain(|(name, _)| all.iter().any(|keys| keys.has(name)));
    }

    /// The stream, where it takes records.
    pub(crate) fn live_stream(&self) -> Option<&Stream> {
        self.stream.as_ref().filter(|stream| stream.is_enabled)
    }

    /// True where local secondary indexes bound item collections.
    pub(crate) fn has_local_indexes(&self) -> bool {
        self.indexes.iter().any(|index| !index.is_global)
    }
}

impl Row for TableRow {
    type Key = TableKey;
    const TABLE: &'static str = "dynamodb.table";

    fn key(&self) -> TableKey {
        self.key.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if old.id != new.id => Err("a table keeps its id".to_owned()),
            Some(old) if old.keys != new.keys => Err("a table keeps its key".to_owned()),
            _ => Ok(()),
        }
    }
}
