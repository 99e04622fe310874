//! Records in a fjall database, in a directory of ours:
//!
//! ```text
//! lock       held while the records are open
//! records/   the database
//! creating   there while the database is being created: a half-created one is not gone on with
//! ```

use std::fs::{self, File};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::config::{CompressionPolicy, PartitioningPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ahead::Blocks;
use crate::journal::Journal;
use crate::lately::Lately;
use crate::quiet::Quiet;
use crate::room::Room;
use crate::syncer::{self, Syncer};
use crate::{Batch, KvError, Sizes};

/// The smallest that the engine allows.
const JOURNAL_BYTES: u64 = 64 << 20;
/// What one sorted file holds. Files are sorted anew beside those that they come from, the first
/// four and what they overlap together: with the engine's 64 MiB, half a GiB would have to be free.
const TABLE_BYTES: u64 = 8 << 20;
/// Which levels' files keep their index and their filter in pieces, of which a search reads one. Of
/// the files that records go to first both are in memory; of all others a whole one, some 100 KB,
/// would be read each time that it had to make room for others: the engine does so with its first
/// three levels. Files that it moves down as they are keep theirs whole.
const IN_PIECES: [bool; 2] = [false, true];
/// Of sorted files on each level; the engine leaves those of the first two as they are. Records are
/// text for the most part, and while files of theirs are on their way to the disk a flush of the
/// journal waits behind them.
const COMPRESSION: CompressionType = CompressionType::Lz4;
const CREATING: &str = "creating";

/// The engine lets its writers sleep from four sealed memtables on, and from twenty runs that are
/// not sorted yet.
const SEALED_MAX: usize = 3;
const UNSORTED_MAX: usize = 16;

/// A database that may still be under way: to create one takes some thirty flushes of the disk,
/// which nobody should wait for at start. Until then there is nothing to read.
pub(crate) struct Disk {
    opened: Arc<OnceLock<Result<Opened, KvError>>>,
    creation: Option<JoinHandle<()>>,
    written_out: Arc<Notify>,
    _lock: File,
}

struct Opened {
    database: Database,
    /// All keyspaces in one of the engine's: each more costs twenty flushes and its own memory.
    records: Keyspace,
    lately: Lately,
    syncer: Syncer,
    /// For those who flush on their own thread.
    journal: Mutex<Journal>,
    room: Arc<Room>,
    quiet: Quiet,
}

/// How far a batch is brought before its writer goes on.
#[derive(Clone, Copy)]
pub(crate) enum Reach {
    /// To readers; to the system with the next batch that goes there, or the next flush.
    Readers,
    /// To the operating system.
    System,
    /// To the disk.
    Disk,
}

impl Disk {
    pub(crate) fn open(dir: &Path, sizes: Sizes) -> Result<Self, KvError> {
        fs::create_dir_all(dir)?;
        let lock = lock(dir)?;
        let (opened, place) = (Arc::new(OnceLock::new()), dir.join("records"));
        let written_out = Arc::<Notify>::default();
        if place.try_exists()? && !dir.join(CREATING).try_exists()? {
            _ = opened.set(Ok(Opened::open(&place, sizes, &written_out)?));
            return Ok(Self { opened, creation: None, written_out, _lock: lock });
        }
        let (later, told) = (Arc::clone(&opened), Arc::clone(&written_out));
        let dir = dir.to_owned();
        let creation = std::thread::Builder::new()
            .name("kv-create".to_owned())
            .spawn(move || _ = later.set(create(&dir, sizes, &told)))?;
        Ok(Self { opened, creation: Some(creation), written_out, _lock: lock })
    }

    fn opened(&self) -> Result<&Opened, KvError> {
        self.opened.wait().as_ref().map_err(Clone::clone)
    }

    /// Like [`Self::opened`], but `None` while a creation is under way: nothing is written yet.
    fn readable(&self) -> Result<Option<&Opened>, KvError> {
        self.opened.get().map(|opened| opened.as_ref().map_err(Clone::clone)).transpose()
    }

    pub(crate) fn get(&self, place: &[u8]) -> Result<Option<Bytes>, KvError> {
        let Some(opened) = self.readable()? else {
            return Ok(None);
        };
        let copied = |value: fjall::Slice| Bytes::copy_from_slice(&value);
        opened.lately.get(place, || Ok(opened.records.get(place)?.map(copied)))
    }

    /// Reads as of now. The engine's own `Keyspace::range` would show later writes too.
    pub(crate) fn range(
        &self,
        low: Bound<Bytes>,
        high: Bound<Bytes>,
    ) -> Result<Option<fjall::Iter>, KvError> {
        let range = |opened: &Opened| {
            let read = || opened.database.snapshot().range(&opened.records, (low, high));
            opened.quiet.read(read)
        };
        Ok(self.readable()?.map(range))
    }

    pub(crate) fn apply(&self, batch: Batch, reach: Reach) -> Result<(), KvError> {
        let opened = self.opened()?;
        let (bytes, count) = (batch.bytes(), batch.len());
        opened.room.check(&batch, bytes)?;
        let _writing = opened.lately.writing(batch.writes.keys());
        let mode = match reach {
            Reach::Readers => None,
            Reach::System => Some(PersistMode::Buffer),
            Reach::Disk => Some(PersistMode::SyncData),
        };
        let mut writes = opened.database.batch().durability(mode);
        for (place, value) in batch.writes {
            match value {
                Some(value) => writes.insert(&opened.records, &*place, &*value),
                None => writes.remove(&opened.records, &*place),
            }
        }
        writes.commit()?;
        opened.quiet.wrote(bytes, count);
        Ok(())
    }

    /// See [`crate::Kv::written_out`].
    pub(crate) async fn written_out(&self) {
        self.written_out.notified().await;
    }

    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        self.opened()?.syncer.sync().await
    }

    pub(crate) fn flush(&self) -> Result<(), KvError> {
        let opened = self.opened()?;
        syncer::flush(&opened.database, &mut opened.journal.lock())
    }

    /// See [`crate::Kv::ahead`].
    pub(crate) fn ahead(&self) -> Option<Blocks> {
        self.opened.get()?.as_ref().ok()?.journal.lock().due()
    }

    pub(crate) fn is_at_ease(&self) -> bool {
        match self.opened.get() {
            Some(Ok(opened)) => {
                opened.records.sealed_memtable_count() < SEALED_MAX
                    && opened.records.l0_table_count() < UNSORTED_MAX
            }
            _ => false,
        }
    }

    pub(crate) fn clear(&self) -> Result<(), KvError> {
        let opened = self.opened()?;
        let _writing = opened.lately.writing_all();
        opened.records.clear()?;
        Ok(opened.database.persist(PersistMode::SyncData)?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(creation) = self.creation.take() {
            _ = creation.join();
        }
    }
}

impl Opened {
    fn open(place: &Path, sizes: Sizes, written_out: &Arc<Notify>) -> Result<Self, KvError> {
        let database = Database::builder(place)
            .cache_size(sizes.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        let tables = Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES));
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(sizes.memtable_bytes)
                .compaction_strategy(Arc::clone(&tables) as _)
                .data_block_compression_policy(CompressionPolicy::all(COMPRESSION))
                .index_block_partitioning_policy(PartitioningPolicy::new(IN_PIECES))
                .filter_block_partitioning_policy(PartitioningPolicy::new(IN_PIECES))
        };
        let records = database.keyspace("records", options)?;
        let syncer = Syncer::start(database.clone(), place)?;
        let journal = Mutex::new(Journal::of(place));
        let room = Arc::new(Room::new(place, sizes.reserve_bytes)?);
        let (written_out, of_quiet) = (Arc::clone(written_out), Arc::clone(&room));
        let quiet = Quiet::new(database.clone(), records.clone(), of_quiet, written_out);
        let lately = Lately::default();
        Ok(Self { database, records, lately, syncer, journal, room, quiet })
    }
}

fn lock(dir: &Path) -> Result<File, KvError> {
    let lock = File::create(dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(KvError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Creates the database under a mark that is on disk before it and gone after it, also from disk:
/// the engine cannot go on with a half-created one.
fn create(dir: &Path, sizes: Sizes, written_out: &Arc<Notify>) -> Result<Opened, KvError> {
    let (mark, place) = (dir.join(CREATING), dir.join("records"));
    File::create(&mark)?;
    let here = File::open(dir)?;
    here.sync_all()?;
    if place.try_exists()? {
        fs::remove_dir_all(&place)?;
    }
    let opened = Opened::open(&place, sizes, written_out)?;
    here.sync_all()?; // its directory's name
    fs::remove_file(&mark)?;
    here.sync_all()?;
    Ok(opened)
}
