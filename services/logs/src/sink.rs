//! Takes log lines from other rooms: buffered in memory, written by the flusher or by the
//! next reader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haar_clock::{Clock, IdSource};
use haar_courier::Courier;
use haar_kernel::{Doors, Peeks};
use haar_ledger::{Ledger, Tx};
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_types::{AccountId, Region, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::events::{EventStore, StreamId};
use crate::fault::Fault;
use crate::filtering::{Came, Patterns};
use crate::state::{GroupKey, GroupRow, StreamKey, StreamRow};
use crate::tail::{Arrived, Tail};

/// Bytes of messages that may wait in memory; what comes beyond is dropped, with a warning.
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Bytes of messages that are written without waiting for more.
const PENDING_BYTES_EAGER: usize = 4 << 20;
/// How long lines wait for more to be written together.
const GATHER: Duration = Duration::from_millis(200);

/// The room's hands: what writes events, for operations and for other rooms.
pub(crate) struct Sink {
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) ledger: Ledger,
    pub(crate) events: EventStore,
    pub(crate) tail: Tail,
    pub(crate) peeks: Peeks,
    /// Carries what subscription filters pass on. Set once the room has started.
    pub(crate) courier: OnceLock<Courier>,
    pub(crate) patterns: Patterns,
    pending: Mutex<Pending>,
    arrived: Notify,
    /// Held by who flushes: the next reader waits until lines on their way are there.
    writing: AsyncMutex<()>,
}

#[derive(Default)]
struct Pending {
    streams: BTreeMap<StreamKey, Vec<LogLine>>,
    /// Groups of the lines that were taken out and are being written.
    on_their_way: BTreeSet<GroupKey>,
    bytes: usize,
    dropped_count: u64,
}

impl Pending {
    /// Takes everything out.
    fn take(&mut self) -> Self {
        let taken = std::mem::take(self);
        self.on_their_way = taken.streams.keys().map(|key| key.group.clone()).collect();
        taken
    }

    /// Whether lines wait for a group, which will be there once they are written.
    fn makes(&self, group: &GroupKey) -> bool {
        let first = StreamKey { group: group.clone(), name: String::new() };
        let next = self.streams.range(first..).next();
        next.is_some_and(|(key, _)| key.group == *group) || self.on_their_way.contains(group)
    }

    /// Puts lines that were taken out in front of those that came since.
    fn put_back(&mut self, taken: BTreeMap<StreamKey, Vec<LogLine>>) {
        for (key, mut lines) in taken {
            self.bytes += lines.iter().map(|line| line.message.len()).sum::<usize>();
            let here = self.streams.entry(key).or_default();
            lines.append(here);
            *here = lines;
        }
    }
}

/// Lines on their way to the store. What is left of them waits again, also where a reader that
/// flushes goes away in between.
struct Taken<'a> {
    sink: &'a Sink,
    streams: BTreeMap<StreamKey, Vec<LogLine>>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut pending = self.sink.pending.lock();
        pending.on_their_way.clear();
        if !self.streams.is_empty() {
            pending.put_back(std::mem::take(&mut self.streams));
            self.sink.arrived.notify_one();
        }
    }
}

impl Sink {
    /// Opens the sink over ledger and events.
    pub(crate) fn new(doors: &Doors, events: EventStore) -> Self {
        Self {
            clock: doors.clock.clone(),
            ids: doors.ids.clone(),
            ledger: doors.ledger.clone(),
            events,
            peeks: doors.peeks.clone(),
            courier: OnceLock::new(),
            patterns: Patterns::default(),
            tail: Tail::default(),
            pending: Mutex::default(),
            arrived: Notify::new(),
            writing: AsyncMutex::default(),
        }
    }

    /// Writes what waits, whenever something has waited for a moment; never ends.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.arrived.notified().await;
            if self.pending.lock().bytes < PENDING_BYTES_EAGER {
                self.clock.sleep(GATHER).await;
            }
            if let Err(error) = self.flush().await {
                tracing::error!(%error, "could not write log lines");
            }
        }
    }

    /// Writes what waits, buffered. What could not be written goes on waiting.
    pub(crate) async fn flush(&self) -> Result<(), Fault> {
        let _one = self.writing.lock().await;
        let pending = self.pending.lock().take();
        if pending.dropped_count > 0 {
            tracing::warn!(count = pending.dropped_count, "log lines came too fast; dropped");
        }
        let mut taken = Taken { sink: self, streams: pending.streams };
        self.write_all(&mut taken.streams).await
    }

    /// Writes streams, and takes out each that is written.
    async fn write_all(
        &self,
        streams: &mut BTreeMap<StreamKey, Vec<LogLine>>,
    ) -> Result<(), Fault> {
        if streams.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let ids = self.ensure_streams(streams, now).await?;
        for id in ids {
            let Some(first) = streams.first_entry() else { break };
            let lines = first.get().iter().map(|line| (line.timestamp, line.message.clone()));
            self.write(first.key(), id, lines.collect(), now)?;
            first.remove();
        }
        Ok(())
    }

    /// Appends events to a stream that exists, and shows them to live tails.
    pub(crate) fn write(
        &self,
        key: &StreamKey,
        id: StreamId,
        events: Vec<(Timestamp, String)>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let snapshot = self.ledger.snapshot();
        let subscriptions = self.subscriptions(&snapshot, &key.group);
        let staged = self.events.append(id, &events, now, |batch, positions| {
            self.pass_on(batch, &subscriptions, (key, id), &Came { events: &events, positions })
        })?;
        self.measure(&snapshot, key, &events, now);
        if let Some(courier) = self.courier.get() {
            courier.dispatch(staged);
        }
        self.tail.show(|| Arrived { stream: key.clone(), ingested_at: now, events });
        Ok(())
    }

    /// Drops what waits in memory.
    pub(crate) fn forget_pending(&self) {
        *self.pending.lock() = Pending::default();
    }

    /// Makes groups and streams exist, and notes the lines in their rows.
    async fn ensure_streams(
        &self,
        streams: &BTreeMap<StreamKey, Vec<LogLine>>,
        now: Timestamp,
    ) -> Result<Vec<StreamId>, Fault> {
        let committed = self.ledger.transact(|tx| {
            let ids = streams.iter().map(|(key, lines)| {
                let group = ensure_group(tx, &key.group, &self.ids, now);
                let known = tx.get::<StreamRow>(key).map(|row| (*row).clone());
                let mut row =
                    known.unwrap_or_else(|| StreamRow::new(key.clone(), self.ids.draw(), now));
                for line in lines {
                    row.note(line.timestamp, line.message.len(), now);
                }
                let id = StreamId { group, stream: row.id };
                tx.put(row);
                id
            });
            Ok::<_, Fault>(ids.collect())
        })?;
        Ok(committed.durable().await?)
    }
}

fn ensure_group(tx: &mut Tx, key: &GroupKey, ids: &IdSource, now: Timestamp) -> u64 {
    if let Some(row) = tx.get::<GroupRow>(key) {
        return row.id;
    }
    let row = GroupRow::new(key.clone(), ids.draw(), now);
    let id = row.id;
    tx.put(row);
    id
}

impl LogSink for Sink {
    fn has_group(&self, account: &AccountId, region: &Region, group: &str) -> bool {
        let key = GroupKey::new(account, region, group);
        // in this order: what is written between the two questions is there for the second
        let is_coming = self.pending.lock().makes(&key);
        is_coming || self.ledger.snapshot().contains::<GroupRow>(&key)
    }

    fn append(
        &self,
        account: &AccountId,
        region: &Region,
        group: &str,
        stream: &str,
        events: Vec<LogLine>,
    ) {
        // AWS refuses empty messages.
        let events: Vec<_> = events.into_iter().filter(|line| !line.message.is_empty()).collect();
        let bytes: usize = events.iter().map(|line| line.message.len()).sum();
        if events.is_empty() {
            return;
        }
        let group = GroupKey::new(account, region, group);
        let key = StreamKey { group, name: stream.to_owned() };
        let mut pending = self.pending.lock();
        if pending.bytes + bytes > PENDING_BYTES_MAX {
            pending.dropped_count += events.len() as u64;
            return;
        }
        pending.bytes += bytes;
        pending.streams.entry(key).or_default().extend(events);
        drop(pending);
        self.arrived.notify_one();
    }
}
