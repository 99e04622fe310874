//! The store of all keyspaces.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::memory::Memory;
use crate::{Batch, Durability, Keyspace, KvError};

/// Holds the keyspaces of one data directory, or of one process. Cheap to clone.
#[derive(Clone)]
pub struct Kv {
    engine: Arc<Engine>,
}

enum Engine {
    Disk(Disk),
    Memory(Memory),
}

impl Kv {
    /// Opens or creates the directory `dir`; one process at a time.
    pub fn open(dir: &Path) -> Result<Self, KvError> {
        Ok(Self { engine: Arc::new(Engine::Disk(Disk::open(dir)?)) })
    }

    /// In memory only.
    pub fn ephemeral() -> Self {
        Self { engine: Arc::new(Engine::Memory(Memory::default())) }
    }

    /// Opens the keyspace `name`, creating it when it is new.
    pub fn keyspace(&self, name: &'static str) -> Result<Keyspace, KvError> {
        let disk = match &*self.engine {
            Engine::Disk(disk) => Some(disk.keyspace(name)?),
            Engine::Memory(_) => None,
        };
        Ok(Keyspace { kv: self.clone(), name, disk })
    }

    /// Applies a batch, visible at once; returns when it is as durable as asked.
    pub async fn commit(&self, batch: Batch, durability: Durability) -> Result<(), KvError> {
        self.apply(batch)?;
        match durability {
            Durability::Buffered => Ok(()),
            Durability::Synced => self.sync().await,
        }
    }

    /// Applies a batch, buffered, without waiting.
    pub fn apply(&self, batch: Batch) -> Result<(), KvError> {
        match &*self.engine {
            _ if batch.is_empty() => Ok(()),
            Engine::Disk(disk) => disk.apply(batch),
            Engine::Memory(memory) => {
                memory.apply(batch);
                Ok(())
            }
        }
    }

    /// Returns once all that was written before is on disk.
    pub async fn sync(&self) -> Result<(), KvError> {
        match &*self.engine {
            Engine::Disk(disk) => disk.syncer.sync().await,
            Engine::Memory(_) => Ok(()),
        }
    }

    /// Removes all records of all keyspaces; handles stay usable.
    pub fn reset(&self) -> Result<(), KvError> {
        match &*self.engine {
            Engine::Disk(disk) => disk.clear(),
            Engine::Memory(memory) => {
                memory.clear();
                Ok(())
            }
        }
    }

    /// The maps of a store in memory; asked only by keyspaces without a handle on disk.
    pub(crate) fn memory(&self) -> &Memory {
        match &*self.engine {
            Engine::Memory(memory) => memory,
            Engine::Disk(_) => unreachable!("a keyspace on disk has a handle"),
        }
    }

    /// The database of a store on disk; asked only by keyspaces with a handle there.
    pub(crate) fn disk(&self) -> &Disk {
        match &*self.engine {
            Engine::Disk(disk) => disk,
            Engine::Memory(_) => unreachable!("a keyspace in memory has no handle"),
        }
    }
}
