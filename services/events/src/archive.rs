//! Archived events in kv, by archive, time and arrival.

use haar_clock::IdSource;
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;
use serde_json::Value;

/// The events of all archives.
#[derive(Clone)]
pub(crate) struct Archived {
    events: Keyspace,
    ids: IdSource,
}

/// One archived event.
#[derive(Clone, Debug)]
pub(crate) struct ArchivedEvent {
    pub(crate) key: Vec<u8>,
    pub(crate) at: Timestamp,
    pub(crate) event: Value,
}

impl Archived {
    pub(crate) fn open(kv: &Kv, ids: IdSource) -> Result<Self, KvError> {
        Ok(Self { events: kv.keyspace("events.archived")?, ids })
    }

    /// Writes an event into a batch; answers its size.
    pub(crate) fn put(&self, batch: &mut Batch, archive: u64, at: Timestamp, event: &str) -> u64 {
        let mut key = place(archive, at);
        key.extend(self.ids.draw().to_be_bytes());
        batch.put(&self.events, key, event.as_bytes().to_vec());
        event.len() as u64
    }

    /// Up to `count` events between two times, behind the key of one of them.
    pub(crate) fn read(
        &self,
        archive: u64,
        (from, until): (Timestamp, Timestamp),
        behind: Option<&[u8]>,
        count: usize,
    ) -> Result<Vec<ArchivedEvent>, KvError> {
        let first = behind.map_or_else(|| place(archive, from), <[u8]>::to_vec);
        let end = place(archive, until);
        if first >= end {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in self.events.range(first..end) {
            let entry = entry?;
            if behind == Some(&entry.key[..]) {
                continue;
            }
            if found.len() == count {
                break;
            }
            let millis = entry.key.get(8..16).and_then(|bytes| bytes.first_chunk::<8>());
            let at = Timestamp(millis.map_or(0, |bytes| i64::from_be_bytes(*bytes)));
            match serde_json::from_slice(&entry.value) {
                Ok(event) => found.push(ArchivedEvent { key: entry.key.to_vec(), at, event }),
                Err(error) => tracing::error!(%error, "an archived event cannot be read"),
            }
        }
        Ok(found)
    }

    /// How many events an archive holds, and their bytes.
    pub(crate) fn measure(&self, archive: u64) -> Result<(i64, i64), KvError> {
        let all = self.events.prefix(archive.to_be_bytes());
        all.into_iter().try_fold((0, 0), |(count, bytes), entry| {
            Ok((count + 1, bytes + i64::try_from(entry?.value.len()).unwrap_or(0)))
        })
    }

    /// Removes an archive's events before a time.
    pub(crate) fn expire(&self, archive: u64, before: Timestamp) -> Result<(), KvError> {
        self.events.remove_range(place(archive, Timestamp(0))..place(archive, before)).map(drop)
    }

    /// Removes all events of an archive.
    pub(crate) fn purge(&self, archive: u64) -> Result<(), KvError> {
        self.events.remove_prefix(archive.to_be_bytes()).map(drop)
    }
}

fn place(archive: u64, at: Timestamp) -> Vec<u8> {
    [archive.to_be_bytes(), at.0.max(0).to_be_bytes()].concat()
}
