//! Streams of tables, also of tables that are gone.

use haar_dynamodb_contract::StreamViewType;
use haar_ledger::Row;
use haar_types::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::key_of_arn;

use crate::rules::schema::KeySchema;

/// Whose a stream is, where, of which table, and its label.
pub(crate) type StreamKey = (AccountId, Region, String, String);

/// A stream. Writers: operations on its table; `Sweeper` removes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub(crate) key: StreamKey,
    /// Stands before its records in kv.
    pub(crate) id: u64,
    pub(crate) view: StreamViewType,
    pub(crate) keys: KeySchema,
    pub(crate) created_at: Timestamp,
    pub(crate) disabled_at: Option<Timestamp>,
}

impl StreamRow {
    /// Its ARN.
    pub(crate) fn arn(&self) -> String {
        let (account, region, table, label) = &self.key;
        format!("arn:aws:dynamodb:{region}:{account}:table/{table}/stream/{label}")
    }

    /// The key that an ARN names.
    pub(crate) fn key_of(arn: &str) -> Option<StreamKey> {
        key_of_arn(arn, "stream")
    }
}

impl Row for StreamRow {
    type Key = StreamKey;
    const TABLE: &'static str = "dynamodb.stream";

    fn key(&self) -> StreamKey {
        self.key.clone()
    }
}
