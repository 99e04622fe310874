//! Consumers with throughput of their own.

use haar_kinesis_contract::ConsumerStatus;
use haar_ledger::Row;
use haar_types::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::StreamKey;

/// Names a consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ConsumerKey {
    pub(crate) stream: StreamKey,
    pub(crate) name: String,
}

/// One consumer. Writer: operations; `controllers::streams` settles it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConsumerRow {
    /// Key.
    pub(crate) key: ConsumerKey,
    pub(crate) status: ConsumerStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
    pub(crate) policy: Option<String>,
}

impl ConsumerRow {
    /// `STREAM/consumer/NAME:CREATED`.
    pub(crate) fn arn(&self) -> String {
        let created = self.created_at.seconds();
        format!("{}/consumer/{}:{created}", self.key.stream.arn(), self.key.name)
    }
}

impl Row for ConsumerRow {
    type Key = ConsumerKey;
    const TABLE: &'static str = "kinesis.consumer";

    fn key(&self) -> ConsumerKey {
        self.key.clone()
    }
}
