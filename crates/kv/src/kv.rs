//! The store of all keyspaces.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::disk::{Disk, Reach};
use crate::memory::{HeldFlush, Memory};
use crate::range::{Range, Source, holds_nothing};
use crate::{Batch, Durability, Keyspace, KvError};

/// Holds the keyspaces of one data directory, or of one process. Cheap to clone.
#[derive(Clone)]
pub struct Kv {
    engine: Arc<Engine>,
    resets: Arc<AtomicU64>,
    /// Told when the disk has no room for a batch.
    full: Arc<Notify>,
}

/// How much memory a store on disk may take.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// For blocks of records that were read lately.
    pub cache_bytes: u64,
    /// For records that wait to be sorted onto disk.
    pub memtable_bytes: u64,
    /// Left free on the disk: with less, nothing is put there any more ([`KvError::Full`]), so
    /// that what was put before can still be sorted. Removals may use half of it, and what says
    /// that it frees room ([`Batch::free_room`]).
    pub reserve_bytes: u64,
}

impl Default for Sizes {
    /// Small: haar idles in little memory.
    fn default() -> Self {
        Self { cache_bytes: 4 << 20, memtable_bytes: 8 << 20, reserve_bytes: 96 << 20 }
    }
}

enum Engine {
    Disk(Disk),
    Memory(Memory),
}

impl Kv {
    /// Opens the records in the directory `dir`; one process at a time. New ones are created
    /// in the background: the first write waits for that, and tells what it ran into.
    pub fn open(dir: &Path) -> Result<Self, KvError> {
        Self::open_sized(dir, Sizes::default())
    }

    /// Opens with other sizes than the usual.
    pub fn open_sized(dir: &Path, sizes: Sizes) -> Result<Self, KvError> {
        Ok(Self::of(Engine::Disk(Disk::open(dir, sizes)?)))
    }

    /// In memory only.
    pub fn ephemeral() -> Self {
        Self::of(Engine::Memory(Memory::default()))
    }

    fn of(engine: Engine) -> Self {
        Self { engine: Arc::new(engine), resets: Arc::default(), full: Arc::default() }
    }

    /// The keyspace `name`, empty when it is new. Costs nothing.
    ///
    /// # Panics
    /// When the name has a zero byte.
    pub fn keyspace(&self, name: &'static str) -> Result<Keyspace, KvError> {
        assert!(!name.contains('\0'), "a keyspace's name has no zero byte");
        Ok(Keyspace::new(self.clone(), name))
    }

    /// Applies a batch, visible at once; returns when it is as durable as asked.
    pub async fn commit(&self, batch: Batch, durability: Durability) -> Result<(), KvError> {
        match durability {
            Durability::Buffered => self.apply(batch),
            Durability::Synced => {
                self.stage(batch)?;
                self.sync().await
            }
        }
    }

    /// Applies a batch, buffered, without waiting.
    pub fn apply(&self, batch: Batch) -> Result<(), KvError> {
        self.apply_to(batch, Reach::System)
    }

    /// Applies a batch, visible at once, for one who calls [`Self::sync`] next and tells nobody of
    /// it before: until then it may go with haar. It saves a call of the operating system.
    pub fn stage(&self, batch: Batch) -> Result<(), KvError> {
        self.apply_to(batch, Reach::Readers)
    }

    /// Applies a batch and blocks the thread until it is as durable as asked.
    pub fn apply_as(&self, batch: Batch, durability: Durability) -> Result<(), KvError> {
        match durability {
            Durability::Buffered => self.apply_to(batch, Reach::System),
            Durability::Synced => self.apply_to(batch, Reach::Disk),
        }
    }

    fn apply_to(&self, batch: Batch, reach: Reach) -> Result<(), KvError> {
        match &*self.engine {
            _ if batch.is_empty() => Ok(()),
            Engine::Disk(disk) => disk.apply(batch, reach).inspect_err(|error| {
                if matches!(error, KvError::Full(_)) {
                    self.full.notify_one();
                }
            }),
            Engine::Memory(memory) => {
                memory.apply(batch);
                Ok(())
            }
        }
    }

    /// Waits until the disk has no room for a batch. A refusal that nobody waited for is told once,
    /// to who waits next.
    pub async fn refused(&self) {
        self.full.notified().await;
    }

    /// Returns once all that was written before is on disk.
    pub async fn sync(&self) -> Result<(), KvError> {
        match &*self.engine {
            Engine::Disk(disk) => disk.sync().await,
            Engine::Memory(memory) => {
                memory.sync().await;
                Ok(())
            }
        }
    }

    /// Likewise by blocking the thread, and for nobody else.
    pub fn flush(&self) -> Result<(), KvError> {
        match &*self.engine {
            Engine::Disk(disk) => disk.flush(),
            Engine::Memory(_) => Ok(()),
        }
    }

    /// Work that makes the next [`Self::flush`]es quicker, if any is due: for after one. It may take
    /// milliseconds, on whichever thread, and may be left out.
    pub fn ahead(&self) -> Option<impl FnOnce() + Send + 'static> {
        let blocks = match &*self.engine {
            Engine::Disk(disk) => disk.ahead(),
            Engine::Memory(_) => None,
        };
        blocks.map(|blocks| || blocks.lay())
    }

    /// Waits until records that nobody added to any more were sorted onto the disk, which frees
    /// memory. For one who waits: what nobody waited for is told once, to who waits next.
    pub async fn written_out(&self) {
        match &*self.engine {
            Engine::Disk(disk) => disk.written_out().await,
            Engine::Memory(_) => std::future::pending().await,
        }
    }

    /// Makes all who call [`Self::sync`] wait until what is answered is dropped, as a slow disk
    /// does: for tests. `None` on a disk, which has its own pace, and while it is held already.
    pub fn hold_flushes(&self) -> Option<HeldFlush> {
        match &*self.engine {
            Engine::Disk(_) => None,
            Engine::Memory(memory) => memory.hold_flushes(),
        }
    }

    /// False while a write would have to wait: for new records that are being created, or for
    /// earlier ones to be sorted onto the disk.
    pub fn is_at_ease(&self) -> bool {
        match &*self.engine {
            Engine::Disk(disk) => disk.is_at_ease(),
            Engine::Memory(_) => true,
        }
    }

    /// Runs work on many records aside: a disk would keep an async worker waiting all the while.
    /// It runs to its end, also when nobody waits for it any more.
    ///
    /// # Errors
    /// What the work says, or [`KvError::Backend`] when it panicked.
    pub async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, KvError> {
        match &*self.engine {
            Engine::Disk(_) => {
                let done = tokio::task::spawn_blocking(work).await;
                done.unwrap_or_else(|error| Err(KvError::Backend(Arc::new(error))))
            }
            Engine::Memory(_) => {
                let done = work();
                tokio::task::yield_now().await;
                done
            }
        }
    }

    /// Removes all records of all keyspaces; handles stay usable.
    pub fn reset(&self) -> Result<(), KvError> {
        let cleared = match &*self.engine {
            Engine::Disk(disk) => disk.clear(),
            Engine::Memory(memory) => {
                memory.clear();
                Ok(())
            }
        };
        self.resets.fetch_add(1, Ordering::Relaxed);
        cleared
    }

    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    pub(crate) fn get(&self, place: &[u8]) -> Result<Option<Bytes>, KvError> {
        match &*self.engine {
            Engine::Disk(disk) => disk.get(place),
            Engine::Memory(memory) => Ok(memory.get(place)),
        }
    }

    pub(crate) fn range(&self, low: Bound<Bytes>, high: Bound<Bytes>, place_len: usize) -> Range {
        let source = match &*self.engine {
            _ if holds_nothing(&low, &high) => Source::Nothing,
            Engine::Disk(disk) => match disk.range(low, high) {
                Ok(Some(iter)) => Source::Disk(iter),
                Ok(None) => Source::Nothing,
                Err(error) => Source::Broken(error),
            },
            Engine::Memory(memory) => Source::Memory { map: memory.now(), low, high },
        };
        Range::new(source, place_len)
    }
}
