//! What would have gone to people and devices: email, SMS, mobile push.

use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Messages that are kept at most, the newest. *Ours*.
const COUNT_MAX: usize = 10_000;
/// Their bytes at most. *Ours*.
const BYTES_MAX: usize = 64 << 20;
/// Old messages that one new one removes at most.
const REMOVED_MAX: usize = 1_000;

/// The messages, oldest first.
pub(crate) struct Outbox {
    kv: Kv,
    messages: Keyspace,
    /// How much there is, written with each message; under [`SUMS`].
    sums: Keyspace,
    /// The same in memory, and whose turn it is to write.
    known: Mutex<Option<Sums>>,
}

/// The only key of what is kept beside the messages.
const SUMS: &str = "all";

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    count: usize,
    bytes: usize,
}

impl Sums {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn take(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_too_much(&self) -> bool {
        self.count > COUNT_MAX || self.bytes > BYTES_MAX
    }
}

impl Outbox {
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        let (messages, sums) = (kv.keyspace("sns.outbox")?, kv.keyspace("sns.outbox_size")?);
        Ok(Self { kv: kv.clone(), messages, sums, known: Mutex::default() })
    }

    /// Keeps a message, and lets the oldest go. The same one again, after a crash, takes its own
    /// place.
    pub(crate) fn keep(&self, at: Timestamp, id: &str, message: &Value) -> Result<(), KvError> {
        let (key, text) = (format!("{:020} {id}", at.0), message.to_string());
        let mut known = self.known.lock();
        let mut sums = known.map_or_else(|| self.written(), Ok)?;
        if let Some(before) = self.messages.get(&key)? {
            sums.take(before.len());
        }
        sums.add(text.len());
        let mut batch = Batch::new();
        for oldest in self.messages.all().take(REMOVED_MAX) {
            if !sums.is_too_much() {
                break;
            }
            let oldest = oldest?;
            if *oldest.key != *key.as_bytes() {
                sums.take(oldest.value.len());
                batch.remove(&self.messages, &oldest.key);
            }
        }
        batch.put(&self.messages, key, text);
        batch.put(&self.sums, SUMS, json!(sums).to_string());
        self.kv.apply(batch)?;
        *known = Some(sums);
        Ok(())
    }

    /// The newest messages first.
    pub(crate) fn newest(&self, count_max: usize) -> Result<Vec<Value>, KvError> {
        let newest = self.messages.all().rev().take(count_max);
        newest.map(|entry| Ok(serde_json::from_slice(&entry?.value).unwrap_or_default())).collect()
    }

    /// Forgets how much there is, for a reset.
    pub(crate) fn forget(&self) {
        *self.known.lock() = None;
    }

    /// What stands beside the messages; of those that were written without, how much they are.
    fn written(&self) -> Result<Sums, KvError> {
        let written = self.sums.get(SUMS)?;
        let sums = written.and_then(|written| serde_json::from_slice(&written).ok());
        sums.map_or_else(|| self.count(), Ok)
    }

    fn count(&self) -> Result<Sums, KvError> {
        self.messages.all().try_fold(Sums::default(), |mut sums, entry| {
            sums.add(entry?.value.len());
            Ok(sums)
        })
    }
}
