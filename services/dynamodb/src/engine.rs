//! Items in kv: where they stand, and how they change.
//!
//! **Invariant:** an item, its index entries, its stream record, its time to live and the counts
//! of its table change in one batch, under the lock of the item's shard.
//! **Invariant:** locks are held over reading, checking and writing only, never across an await.

mod backfill;
mod entries;
mod locks;
mod past;
mod read;
mod restore;
mod staging;
mod transaction;
mod write;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haar_clock::Clock;
use haar_kv::{Keyspace, Kv, KvError, Tallies};
use haar_ledger::Ledger;
use haar_types::Timestamp;
use haar_wire::AwsError;

pub(crate) use entries::{expiry, index_key, index_prefix, item_key};
pub(crate) use locks::Locks;
pub(crate) use read::{Position, Reading, Scanned, Span, end_of, position};
pub(crate) use staging::Staging;
pub(crate) use transaction::{Outcome, Token};
pub(crate) use write::{Actor, Change, ITEM_BYTES_MAX, Intent, Written, check};

use crate::captures::Outlet;
use crate::refusal;
use crate::state::{TableKey, TableRow};
use crate::streams::Streams;
use crate::throttle::Throttle;
use crate::usage::Usage;

/// All items of this haar.
pub(crate) struct Engine {
    pub(crate) kv: Kv,
    pub(crate) ledger: Ledger,
    pub(crate) spaces: Spaces,
    pub(crate) locks: Locks,
    /// Of idempotency tokens; taken before those of items.
    pub(crate) token_locks: Locks,
    pub(crate) streams: Streams,
    pub(crate) throttle: Throttle,
    pub(crate) usage: Usage,
    /// Where changes leave for Kinesis. Set once the room has started.
    pub(crate) outlet: OnceLock<Outlet>,
    clock: Clock,
    last_moment: AtomicI64,
}

/// The keyspaces. Keys begin with a table's id, but for backups (the backup's) and tokens.
pub(crate) struct Spaces {
    /// Key of the item -> item.
    pub(crate) items: Keyspace,
    /// Index's number, its key, key of the item -> key of the item.
    pub(crate) entries: Keyspace,
    /// Second of expiry, key of the item.
    pub(crate) expiries: Keyspace,
    /// Index's number (0: the table), shard -> count and bytes.
    pub(crate) counts: Tallies<2>,
    /// Key of the item, time of the change -> the item before it.
    pub(crate) past: Keyspace,
    /// Backup's id, key of the item -> item.
    pub(crate) backups: Keyspace,
    /// Account, region, token -> when and what it was used for.
    pub(crate) tokens: Keyspace,
}

impl Engine {
    /// Opens the items in `kv`.
    pub(crate) fn open(kv: &Kv, ledger: &Ledger, clock: &Clock) -> Result<Arc<Self>, KvError> {
        let spaces = Spaces {
            items: kv.keyspace("dynamodb.item")?,
            entries: kv.keyspace("dynamodb.entry")?,
            expiries: kv.keyspace("dynamodb.expiry")?,
            counts: Tallies::new(kv.keyspace("dynamodb.count")?),
            past: kv.keyspace("dynamodb.past")?,
            backups: kv.keyspace("dynamodb.backup")?,
            tokens: kv.keyspace("dynamodb.token")?,
        };
        let streams = Streams::open(kv)?;
        let (kv, ledger) = (kv.clone(), ledger.clone());
        Ok(Arc::new(Self {
            kv,
            ledger,
            spaces,
            locks: Locks::new(),
            token_locks: Locks::new(),
            streams,
            throttle: Throttle::default(),
            usage: Usage::default(),
            outlet: OnceLock::new(),
            clock: clock.clone(),
            last_moment: AtomicI64::new(0),
        }))
    }

    /// The table as it is now, where its items may be used.
    pub(crate) fn table(&self, key: &TableKey) -> Result<Arc<TableRow>, AwsError> {
        let row = self.ledger.snapshot().get::<TableRow>(key);
        row.filter(|row| row.serves()).ok_or_else(refusal::no_table)
    }

    /// The moment of a change, for the past of its items: drawn while they are locked, so that of
    /// two changes of an item the later one has no lower moment.
    fn draw_moment(&self) -> Timestamp {
        let now = self.clock.now().0;
        Timestamp(self.last_moment.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// Returns once all changes of that moment or before are there: every other is a later one.
    pub(crate) async fn settle(&self, at: Timestamp) {
        self.clock.sleep_until_time(at + Duration::from_millis(1)).await;
        self.locks.barrier();
    }

    /// Waits until all that was written before is on disk.
    pub(crate) async fn sync(&self) -> Result<(), AwsError> {
        self.kv.sync().await.map_err(|error| refusal::fault(&error))
    }

    /// What came of a change once the disk has it; where it was refused, once the disk has all that
    /// it saw: what refuses it may be another's change that is on its way there.
    pub(crate) async fn settled<T>(&self, outcome: Result<T, AwsError>) -> Result<T, AwsError> {
        self.sync().await?;
        outcome
    }

    /// Items and bytes of a table, or of an index by its number.
    pub(crate) fn counts(&self, table: u64, number: u32) -> (i64, i64) {
        let prefix = [&table.to_be_bytes()[..], &number.to_be_bytes()].concat();
        let [items, bytes] = self.spaces.counts.sum(prefix).unwrap_or_else(|error| {
            tracing::error!(%error, "the counts of a table cannot be read");
            [0, 0]
        });
        (items, bytes)
    }

    /// Removes all that a table had, its streams excepted.
    pub(crate) async fn purge(&self, table: u64) -> Result<(), KvError> {
        self.throttle.forget_table(table);
        self.locks.barrier();
        let Spaces { items, entries, expiries, counts, past, .. } = &self.spaces;
        for space in [items, entries, expiries, past] {
            space.clear_prefix(table.to_be_bytes()).await?;
        }
        counts.clear_prefix(table.to_be_bytes()).await.map(drop)
    }

    /// Forgets what is in memory, before a reset.
    pub(crate) fn forget(&self) {
        self.streams.forget();
        self.throttle.forget();
        self.last_moment.store(0, Ordering::Relaxed); // the clock may be put back
        self.forget_captured();
    }
}

/// A moment as keys hold it.
pub(crate) fn moment(at: Timestamp) -> [u8; 8] {
    u64::try_from(at.0).unwrap_or(0).to_be_bytes()
}
