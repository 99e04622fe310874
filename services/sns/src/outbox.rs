//! What would have gone to people and devices: email, SMS, mobile push.

use haar_kv::{Keyspace, Kv, KvError};
use haar_types::Timestamp;
use serde_json::Value;

/// The messages, oldest first.
pub(crate) struct Outbox {
    messages: Keyspace,
}

impl Outbox {
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self { messages: kv.keyspace("sns.outbox")? })
    }

    /// Keeps a message. The same one again, after a crash, takes its own place.
    pub(crate) fn keep(&self, at: Timestamp, id: &str, message: &Value) -> Result<(), KvError> {
        let key = format!("{:020} {id}", at.0);
        self.messages.put(key, message.to_string())
    }

    /// The newest messages first.
    pub(crate) fn newest(&self, count_max: usize) -> Result<Vec<Value>, KvError> {
        let newest = self.messages.all().rev().take(count_max);
        newest.map(|entry| Ok(serde_json::from_slice(&entry?.value).unwrap_or_default())).collect()
    }
}
