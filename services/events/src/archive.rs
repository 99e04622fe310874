//! Archived events in kv, by archive, time and arrival; and how much each hour of an archive holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_clock::IdSource;
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

/// What is counted together, and removed together.
const HOUR_MS: i64 = 3_600_000;

/// The events of all archives.
#[derive(Clone)]
pub(crate) struct Archived {
    events: Keyspace,
    /// By archive and hour: number and bytes of its events.
    sizes: Keyspace,
    /// Held from the reading of sizes until their batch is applied.
    turn: Arc<Mutex<()>>,
    ids: IdSource,
}

/// Sizes that a batch is to add to.
pub(crate) struct Counting<'a> {
    archived: &'a Archived,
    added: BTreeMap<(u64, i64), Size>,
    _turn: MutexGuard<'a, ()>,
}

/// Events and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    count: u64,
    bytes: u64,
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
        let (events, sizes) =
            (kv.keyspace("events.archived")?, kv.keyspace("events.archive_size")?);
        Ok(Self { events, sizes, turn: Arc::default(), ids })
    }

    /// Begins to count what one batch archives. To be kept until the batch is applied.
    pub(crate) fn counting(&self) -> Counting<'_> {
        Counting { archived: self, added: BTreeMap::new(), _turn: self.turn.lock() }
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
        let hours = self.sizes.prefix(archive.to_be_bytes());
        let sum = hours.into_iter().try_fold(Size::default(), |sum, entry| {
            Ok::<_, KvError>(sum.and(Size::read(&entry?.value)))
        })?;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Ok((number(sum.count), number(sum.bytes)))
    }

    /// Removes an archive's events before the hour of a time.
    pub(crate) fn expire(&self, archive: u64, before: Timestamp) -> Result<(), KvError> {
        let gone = place(archive, Timestamp(0))..place(archive, hour(before));
        self.events.remove_range(gone.clone())?;
        self.sizes.remove_range(gone).map(drop)
    }

    /// Removes all events of an archive.
    pub(crate) fn purge(&self, archive: u64) -> Result<(), KvError> {
        self.events.remove_prefix(archive.to_be_bytes())?;
        self.sizes.remove_prefix(archive.to_be_bytes()).map(drop)
    }
}

impl Counting<'_> {
    /// Writes an event into a batch; answers its size.
    pub(crate) fn put(
        &mut self,
        batch: &mut Batch,
        archive: u64,
        at: Timestamp,
        event: &str,
    ) -> u64 {
        let mut key = place(archive, at);
        key.extend(self.archived.ids.draw().to_be_bytes());
        batch.put(&self.archived.events, key, event.as_bytes().to_vec());
        let size = Size { count: 1, bytes: event.len() as u64 };
        let added = self.added.entry((archive, hour(at).0)).or_default();
        *added = added.and(size);
        size.bytes
    }

    /// Writes the sizes into the batch too.
    pub(crate) fn note(&self, batch: &mut Batch) -> Result<(), KvError> {
        for ((archive, hour), added) in &self.added {
            let key = place(*archive, Timestamp(*hour));
            let before = self.archived.sizes.get(&key)?;
            let before = before.map(|value| Size::read(&value)).unwrap_or_default();
            batch.put(&self.archived.sizes, key, before.and(*added).to_bytes());
        }
        Ok(())
    }
}

impl Size {
    fn read(value: &[u8]) -> Self {
        let number = |from: usize| {
            let bytes = value.get(from..).and_then(|rest| rest.first_chunk::<8>());
            bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        Self { count: number(0), bytes: number(8) }
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.count.to_be_bytes(), self.bytes.to_be_bytes()].concat()
    }

    fn and(self, more: Self) -> Self {
        Self { count: self.count + more.count, bytes: self.bytes + more.bytes }
    }
}

fn hour(at: Timestamp) -> Timestamp {
    Timestamp(at.0.max(0) / HOUR_MS * HOUR_MS)
}

fn place(archive: u64, at: Timestamp) -> Vec<u8> {
    [archive.to_be_bytes(), at.0.max(0).to_be_bytes()].concat()
}
