//! What waits in memory to be sorted onto the disk goes there once nobody writes any more.
//!
//! The engine sorts when a table in memory is full. One that is not stays for as long as nobody
//! writes: after a crowd, mebibytes of a cloud at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fjall::{AbstractTree as _, Database, Keyspace};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::Notify;

use crate::KvError;
use crate::room::Room;

/// Nobody writes any more when nobody has for so long.
const QUIET: Duration = Duration::from_secs(1);

/// Less than so many bytes are not worth a file.
const WORTH: u64 = 256 << 10;

/// Until so long after a sorting so little is not worth another: whoever writes now and then would
/// have all that the new files overlap sorted anew each time.
const REST: Duration = Duration::from_secs(60);
const LITTLE: u64 = 2 << 20;

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
    sorted_at: Mutex<Option<Instant>>,
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
        let (sorted_at, is_awaited, reading, is_closed, wake) = Default::default();
        let shared = Shared {
            database,
            records,
            room,
            bytes,
            sorted_at,
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
        let waiting = self.shared.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
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
        let started =
            std::thread::Builder::new().name("kv-quiet".to_owned()).spawn(move || shared.tend());
        match started {
            Ok(started) => _ = thread.replace(started), // the one before has ended
            // no thread to be had: with a later batch
            Err(_) => self.shared.is_awaited.store(false, Ordering::SeqCst),
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
        !self.is_awaited.load(Ordering::SeqCst) && !self.is_awaited.swap(true, Ordering::SeqCst)
    }

    fn tend(&self) {
        loop {
            let is_done = self.is_quiet() && self.has_written_out();
            // in one order for all: who adds to it meanwhile looks whether somebody waits
            self.is_awaited.store(false, Ordering::SeqCst);
            let is_more = is_done && self.bytes.load(Ordering::SeqCst) >= WORTH;
            if !is_more || !self.is_first() {
                return;
            }
        }
    }

    /// Waits until nobody has written for a while, and the last sorting is long enough ago; false
    /// when the store is closed.
    #[allow(clippy::disallowed_methods)] // of threads; no state depends on it
    fn is_quiet(&self) -> bool {
        loop {
            let seen = self.bytes.load(Ordering::Relaxed);
            if self.is_closed_within(QUIET) {
                return false;
            }
            let rest = self
                .sorted_at
                .lock()
                .map_or(Duration::ZERO, |at| REST.saturating_sub(at.elapsed()));
            match self.bytes.load(Ordering::Relaxed) {
                now if now != seen => {}
                now if now < LITTLE && !rest.is_zero() => {
                    if self.is_closed_within(rest) {
                        return false;
                    }
                }
                _ => return true,
            }
        }
    }

    /// False when there is no room, or it did not work: it is tried again with a later batch.
    fn has_written_out(&self) -> bool {
        let written_out = self.write_out();
        written_out.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not sort records onto the disk");
            false
        })
    }

    fn is_closed_within(&self, wait: Duration) -> bool {
        let mut is_closed = self.is_closed.lock();
        self.wake.wait_while_for(&mut is_closed, |is_closed| !*is_closed, wait);
        *is_closed
    }

    #[allow(clippy::disallowed_methods)] // of threads; no state depends on it
    fn write_out(&self) -> Result<bool, KvError> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        if !self.room.is_ample()? {
            return Ok(false);
        }
        // what came before the engine sorted by itself is counted too
        if self.records.tree.active_memtable().size() >= WORTH {
            self.records.rotate_memtable()?;
        }
        for _ in 0..LOOKS_MAX {
            if self.records.sealed_memtable_count() == 0 {
                self.forget()?;
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                *self.sorted_at.lock() = Some(Instant::now());
                self.written_out.notify_one();
                return Ok(true);
            }
            if self.is_closed_within(LOOK) {
                break;
            }
        }
        Ok(false)
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
