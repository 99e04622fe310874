//! Messages on disk: what changes and what does not under keys of their own, so that a queue's
//! index is rebuilt without reading a body.

use bytes::Bytes;
use haar_kv::{Batch, Keyspace, Kv, KvError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::dedup::Seen;
use super::record::{Content, Record};

/// The room's keyspaces. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    kv: Kv,
    records: Keyspace,
    contents: Keyspace,
    seen: Keyspace,
    /// Queue, the last message that a purge takes: what is yet to be removed.
    purges: Keyspace,
}

impl Store {
    /// Opens them in `kv`.
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        Ok(Self {
            kv: kv.clone(),
            records: kv.keyspace("sqs.record")?,
            contents: kv.keyspace("sqs.content")?,
            seen: kv.keyspace("sqs.seen")?,
            purges: kv.keyspace("sqs.purge")?,
        })
    }

    /// Writes a new message into a batch.
    pub(crate) fn put(
        &self,
        batch: &mut Batch,
        (queue, sequence): (u64, u64),
        record: &Record,
        content: &Content,
    ) {
        batch.put(&self.records, key(queue, sequence), encode(record));
        batch.put(&self.contents, key(queue, sequence), encode(content));
    }

    /// Writes what changed of a message.
    pub(crate) fn update(&self, batch: &mut Batch, queue: u64, sequence: u64, record: &Record) {
        batch.put(&self.records, key(queue, sequence), encode(record));
    }

    /// Removes a message.
    pub(crate) fn remove(&self, batch: &mut Batch, queue: u64, sequence: u64) {
        batch.remove(&self.records, key(queue, sequence));
        batch.remove(&self.contents, key(queue, sequence));
    }

    /// Remembers a message for deduplication, or forgets one.
    pub(crate) fn remember(&self, batch: &mut Batch, queue: u64, text: &str, seen: Option<&Seen>) {
        let key = [&queue.to_be_bytes(), text.as_bytes()].concat();
        match seen {
            Some(seen) => batch.put(&self.seen, key, encode(seen)),
            None => batch.remove(&self.seen, key),
        }
    }

    /// Applies a batch, buffered.
    pub(crate) fn apply(&self, batch: Batch) -> Result<(), KvError> {
        self.kv.apply(batch)
    }

    /// Applies a batch, for one who waits for [`Self::sync`] next.
    pub(crate) fn stage(&self, batch: Batch) -> Result<(), KvError> {
        self.kv.stage(batch)
    }

    /// Waits until all that was applied is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        self.kv.sync().await
    }

    /// What does not change of a message, if it is there.
    pub(crate) fn content(&self, queue: u64, sequence: u64) -> Result<Option<Content>, KvError> {
        let value = self.contents.get(key(queue, sequence))?;
        Ok(value.and_then(|value| decode(&value)))
    }

    /// A queue's messages without their contents.
    pub(crate) fn records(&self, queue: u64) -> Result<Vec<(u64, Record)>, KvError> {
        let mut all = Vec::new();
        let Some(first) = self.purged_to(queue)?.checked_add(1) else { return Ok(all) };
        for entry in self.records.range(key(queue, first)..=key(queue, u64::MAX)) {
            let entry = entry?;
            let sequence = entry.key.get(8..).and_then(|rest| rest.try_into().ok());
            let record = decode(&entry.value);
            all.extend(sequence.map(u64::from_be_bytes).zip(record));
        }
        Ok(all)
    }

    /// What a queue's senders sent lately, in the order in which it is to be forgotten.
    pub(crate) fn seen(&self, queue: u64) -> Result<Vec<(String, Seen)>, KvError> {
        let mut all: Vec<(String, Seen)> = Vec::new();
        for entry in self.seen.prefix(queue.to_be_bytes()) {
            let entry = entry?;
            let text = String::from_utf8_lossy(entry.key.get(8..).unwrap_or_default()).into_owned();
            all.extend(decode(&entry.value).map(|seen| (text, seen)));
        }
        all.sort_by_key(|(_, seen)| seen.until);
        Ok(all)
    }

    /// Does work that may take long.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, KvError> {
        self.kv.aside(work).await
    }

    /// Removes all that is of a queue; what [`Self::queues`] finds it by goes last.
    pub(crate) async fn clear(&self, queue: u64) -> Result<(), KvError> {
        for keyspace in [&self.purges, &self.contents, &self.seen, &self.records] {
            keyspace.clear_prefix(queue.to_be_bytes()).await?;
        }
        Ok(())
    }

    /// Applies a batch that lets a queue be emptied: also while the disk takes no new messages.
    pub(crate) fn apply_to_empty(&self, mut batch: Batch) -> Result<(), KvError> {
        batch.free_room();
        self.kv.apply(batch)
    }

    /// Notes that all messages up to `last` are to be removed.
    pub(crate) fn mark_purged(&self, queue: u64, last: u64) -> Result<(), KvError> {
        let mut batch = Batch::new();
        batch.put(&self.purges, key(queue, last), Bytes::new());
        self.apply_to_empty(batch)
    }

    /// Up to where a queue was purged, as far as there is something left of it.
    pub(crate) fn purged_to(&self, queue: u64) -> Result<u64, KvError> {
        let last = self.purges.prefix(queue.to_be_bytes()).next_back().transpose()?;
        Ok(last.and_then(|entry| read_key(&entry.key)).map_or(0, |(_, last)| last))
    }

    /// Purges of which there is something left.
    pub(crate) fn purges(&self) -> Result<Vec<(u64, u64)>, KvError> {
        self.purges
            .all()
            .filter_map(|entry| entry.map(|it| read_key(&it.key)).transpose())
            .collect()
    }

    /// Removes what was purged, then the note of that.
    pub(crate) async fn clear_purged(&self, queue: u64, last: u64) -> Result<(), KvError> {
        for keyspace in [&self.records, &self.contents] {
            keyspace.clear_range(key(queue, 0)..=key(queue, last)).await?;
        }
        self.purges.remove(key(queue, last))
    }

    /// The last place that any queue gave to a message that is still there, or to a purge.
    pub(crate) fn last_sequence(&self) -> Result<u64, KvError> {
        let mut last = self.purges()?.into_iter().map(|(_, last)| last).max().unwrap_or(0);
        for queue in self.queues()? {
            let newest = self.records.prefix(queue.to_be_bytes()).next_back().transpose()?;
            let place = newest.and_then(|entry| entry.key.get(8..)?.try_into().ok());
            last = last.max(place.map_or(0, u64::from_be_bytes));
        }
        Ok(last)
    }

    /// The queues of which there is a message or a memory.
    pub(crate) fn queues(&self) -> Result<Vec<u64>, KvError> {
        let mut queues = Vec::new();
        for keyspace in [&self.records, &self.seen] {
            let mut from = Some(0_u64);
            while let Some(first) = from {
                let Some(entry) = keyspace.range(first.to_be_bytes()..).next().transpose()? else {
                    break;
                };
                let Some(found) = entry.key.first_chunk::<8>() else { break };
                let queue = u64::from_be_bytes(*found);
                queues.push(queue);
                from = queue.checked_add(1);
            }
        }
        Ok(queues)
    }
}

fn key(queue: u64, sequence: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&queue.to_be_bytes());
    key[8..].copy_from_slice(&sequence.to_be_bytes());
    key
}

fn read_key(key: &[u8]) -> Option<(u64, u64)> {
    let (queue, sequence) = (key.first_chunk::<8>()?, key.last_chunk::<8>()?);
    Some((u64::from_be_bytes(*queue), u64::from_be_bytes(*sequence)))
}

fn encode(value: &impl Serialize) -> Bytes {
    rmp_serde::to_vec(value).expect("plain data encode").into()
}

fn decode<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    let decoded = haar_pack::read(value);
    decoded.inspect_err(|error| tracing::error!(%error, "a message on disk cannot be read")).ok()
}
