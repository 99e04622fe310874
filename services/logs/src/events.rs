//! Log events on disk, ordered by stream, time and arrival.

use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;

use crate::rules::batch::EVENT_OVERHEAD;
use crate::rules::position::Position;

/// All log events of this haar.
pub(crate) struct EventStore {
    kv: Kv,
    events: Keyspace,
    last_sequence: AtomicU64,
}

/// Where a stream's events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId {
    pub(crate) group: u64,
    pub(crate) stream: u64,
}

/// One stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) position: Position,
    pub(crate) message: String,
}

impl EventStore {
    /// Opens the events in `kv`.
    pub(crate) fn open(kv: &Kv) -> Result<Self, KvError> {
        let events = kv.keyspace("logs.event")?;
        Ok(Self { kv: kv.clone(), events, last_sequence: AtomicU64::new(0) })
    }

    /// Writes a stream's events, buffered, in their order, and with them what `beside` adds to
    /// their batch, who is told where they stand.
    pub(crate) fn append<T>(
        &self,
        id: StreamId,
        events: &[(Timestamp, String)],
        now: Timestamp,
        beside: impl FnOnce(&mut Batch, &[Position]) -> T,
    ) -> Result<T, KvError> {
        let mut batch = Batch::new();
        let mut positions = Vec::with_capacity(events.len());
        for (timestamp, message) in events {
            let position = Position { timestamp: *timestamp, sequence: self.next_sequence(now) };
            batch.put(&self.events, key(id, position), Bytes::copy_from_slice(message.as_bytes()));
            positions.push(position);
        }
        let added = beside(&mut batch, &positions);
        self.kv.apply(batch)?;
        Ok(added)
    }

    /// Waits until all that was appended is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        self.kv.sync().await
    }

    /// A stream's events within bounds, by time and arrival; also from the end.
    pub(crate) fn range<R: RangeBounds<Position>>(
        &self,
        id: StreamId,
        bounds: R,
    ) -> impl DoubleEndedIterator<Item = Result<StoredEvent, KvError>> + use<R> {
        let place = |position: &Position| key(id, *position);
        let low = match bounds.start_bound() {
            Bound::Unbounded => Bound::Included(stream_prefix(id)),
            bound => bound.map(place),
        };
        let high = match bounds.end_bound() {
            Bound::Unbounded => {
                let sequence = u64::MAX;
                Bound::Included(key(id, Position { timestamp: Timestamp(i64::MAX), sequence }))
            }
            bound => bound.map(place),
        };
        self.events.range((low, high)).filter_map(|entry| match entry {
            Ok(entry) => decode(&entry.key, &entry.value).map(Ok),
            Err(error) => Some(Err(error)),
        })
    }

    /// Removes a stream's events before a time; answers how many bytes they counted.
    pub(crate) fn expire(&self, id: StreamId, before: Timestamp) -> Result<u64, KvError> {
        let mut bytes = 0;
        for event in self.range(id, ..Position::start_of(before)) {
            bytes += (event?.message.len() + EVENT_OVERHEAD) as u64;
        }
        let end = key(id, Position::start_of(before));
        self.events.remove_range(stream_prefix(id)..end)?;
        Ok(bytes)
    }

    /// Removes all events of a group, or of one of its streams.
    pub(crate) fn purge(&self, group: u64, stream: Option<u64>) -> Result<(), KvError> {
        let prefix = match stream {
            Some(stream) => stream_prefix(StreamId { group, stream }),
            None => group.to_be_bytes().to_vec(),
        };
        self.events.remove_prefix(prefix)?;
        Ok(())
    }

    /// Ascends, never twice the same: the millisecond, then a count within it.
    fn next_sequence(&self, now: Timestamp) -> u64 {
        let least = Position::sequence_at(now);
        let next = |last: u64| Some((last + 1).max(least));
        let order = Ordering::Relaxed;
        let last = self.last_sequence.fetch_update(order, order, next);
        last.map_or(least, |last| (last + 1).max(least))
    }
}

fn stream_prefix(id: StreamId) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    key.extend(id.group.to_be_bytes());
    key.extend(id.stream.to_be_bytes());
    key
}

fn key(id: StreamId, position: Position) -> Vec<u8> {
    let mut key = stream_prefix(id);
    key.extend(u64::try_from(position.timestamp.0).unwrap_or(0).to_be_bytes());
    key.extend(position.sequence.to_be_bytes());
    key
}

fn decode(key: &[u8], value: &[u8]) -> Option<StoredEvent> {
    let (_, rest) = key.split_first_chunk::<16>()?;
    let (millis, rest) = rest.split_first_chunk::<8>()?;
    let sequence = u64::from_be_bytes(*rest.first_chunk::<8>()?);
    let timestamp = Timestamp(i64::try_from(u64::from_be_bytes(*millis)).ok()?);
    let message = String::from_utf8_lossy(value).into_owned();
    Some(StoredEvent { position: Position { timestamp, sequence }, message })
}
