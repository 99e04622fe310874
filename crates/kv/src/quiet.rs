//! What waits in memory to be sorted onto the disk goes there once nobody writes any more.
//!
//! The engine sorts when a table in memory is full. One that is not stays for as long as nobody
//! writes: after a crowd, mebibytes of a cloud at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::{AbstractTree as _, Database, Keyspace};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::Notify;

use crate::KvError;
use crate::room::Room;

/// Nobody writes any more when nobody has for so long.
const QUIET: Duration = Duration::from_secs(1);

/// Less than so many bytes are not worth a file.
const WORTH: u64 = 256 << 10;

/// What a record takes in memory beside its key and its value.
const RECORD_BYTES: u64 = 128;

/// Between two looks whether what was handed to the engine is on the disk, and how many there are.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS_MAX: usize = 500;

/// Waits for the end of writing, on a thread that is there for as long.
pub(crate) struct Quiet {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    database: Database,
    records: Keyspace,
    room: Arc<Room>,
    /// Written since all was sorted last, roughly.
    bytes: AtomicU64,
    /// There is a thread.
    is_awaited: AtomicBool,
    /// Held to read by who is between a snapshot and its first read.
    reading: RwLock<()>,
    is_closed: Mutex<bool>,
    wake: Condvar,
    /// Whoever wants to know that memory became free.
    written_out: Arc<Notify>,
}

impl Quiet {
    pub(crate) fn new(
        database: Database,
        records: Keyspace,
        room: Arc<Room>,
        written_out: Arc<Notify>,
    ) -> Self {
        let bytes = AtomicU64::new(database.write_buffer_size()); // read from the journal
        let (is_awaited, reading, is_closed, wake) = Default::default();
        let shared = Shared {
            database,
            records,
            room,
            bytes,
            is_awaited,
            reading,
            is_closed,
            wake,
            written_out,
        };
        let quiet = Self { shared: Arc::new(shared), thread: Mutex::default() };
        quiet.wrote(0, 0);
        quiet
    }

    /// Notes a batch that was written.
    pub(crate) fn wrote(&self, bytes: u64, records: usize) {
        let bytes = bytes + records as u64 * RECORD_BYTES;
        let waiting = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if waiting >= WORTH && self.shared.is_first() {
            self.wait_for_it();
        }
    }

    /// Reads as of now, from a snapshot on; nothing that it needs goes meanwhile.
    pub(crate) fn read<T>(&self, read: impl FnOnce() -> T) -> T {
        let _reading = self.shared.reading.read();
        read()
    }

    fn wait_for_it(&self) {
        let shared = Arc::clone(&self.shared);
        let mut thread = self.thread.lock();
        let started = std::thread::Builder::new()
            .name("kv-quiet".to_owned())
            .spawn(move || while shared.wait_and_write() {});
        match started {
            Ok(started) => _ = thread.replace(started), // the one before has ended
            // no thread to be had: with a later batch
            Err(_) => self.shared.is_awaited.store(false, Ordering::Release),
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        *self.shared.is_closed.lock() = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.get_mut().take() {
            _ = thread.join();
        }
    }
}

impl Shared {
    /// True for one who is to wait.
    fn is_first(&self) -> bool {
        !self.is_awaited.load(Ordering::Relaxed) && !self.is_awaited.swap(true, Ordering::AcqRel)
    }

    /// True when there is something to wait for again.
    fn wait_and_write(&self) -> bool {
        let mut seen = self.bytes.load(Ordering::Relaxed);
        loop {
            if self.is_closed_within(QUIET) {
                return false;
            }
            match std::mem::replace(&mut seen, self.bytes.load(Ordering::Relaxed)) {
                before if before == seen => break,
                _ => {}
            }
        }
        if let Err(error) = self.write_out() {
            tracing::warn!(%error, "could not sort records onto the disk");
        }
        self.is_awaited.store(false, Ordering::Release);
        self.bytes.load(Ordering::Relaxed) >= WORTH && self.is_first()
    }

    fn is_closed_within(&self, wait: Duration) -> bool {
        let mut is_closed = self.is_closed.lock();
        self.wake.wait_while_for(&mut is_closed, |is_closed| !*is_closed, wait);
        *is_closed
    }

    fn write_out(&self) -> Result<(), KvError> {
        self.bytes.store(0, Ordering::Relaxed);
        if !self.room.is_ample()? || !self.records.rotate_memtable()? {
            return Ok(());
        }
        for _ in 0..LOOKS_MAX {
            if self.is_closed_within(LOOK) {
                return Ok(());
            }
            if self.records.sealed_memtable_count() == 0 {
                self.forget()?;
                self.written_out.notify_one();
                break;
            }
        }
        Ok(())
    }

    /// Has the engine forget earlier states, with the tables in memory that belong to them. It does
    /// so itself only with what it sorts next. Who reads an earlier state has it already.
    fn forget(&self) -> Result<(), KvError> {
        let _nobody_reads = self.reading.write();
        let now = self.database.visible_seqno();
        let mut states = self.records.tree.get_version_history_lock();
        Ok(states.maintenance(self.records.path(), now).map_err(fjall::Error::from)?)
    }
}
