//! Keyspaces in a fjall database.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode, Readable};

use crate::syncer::Syncer;
use crate::{Batch, KvError};

/// Blocks of records that were read lately. Small: haar idles in little memory.
const CACHE_BYTES: u64 = 4 << 20;
/// Records of one keyspace that wait in memory to be sorted onto disk.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// The smallest that the engine allows.
const JOURNAL_BYTES: u64 = 64 << 20;

pub(crate) struct Disk {
    database: Database,
    pub(crate) syncer: Syncer,
}

impl Disk {
    pub(crate) fn open(dir: &Path) -> Result<Self, KvError> {
        let database = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => KvError::Locked(dir.to_owned()),
                error => error.into(),
            })?;
        let syncer = Syncer::start(database.clone())?;
        Ok(Self { database, syncer })
    }

    pub(crate) fn keyspace(&self, name: &str) -> Result<fjall::Keyspace, KvError> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        Ok(self.database.keyspace(name, options)?)
    }

    /// Reads as of now. A keyspace's own `range` would show writes that come later.
    pub(crate) fn range(
        &self,
        keyspace: &fjall::Keyspace,
        bounds: (Bound<Bytes>, Bound<Bytes>),
    ) -> fjall::Iter {
        self.database.snapshot().range(keyspace, bounds)
    }

    /// Hands a batch to the operating system; each key once, since a batch has one moment.
    pub(crate) fn apply(&self, batch: Batch) -> Result<(), KvError> {
        let mut writes = self.database.batch();
        let mut last = BTreeMap::new();
        for (keyspace, key, value) in batch.writes {
            last.insert((keyspace.name, key), (keyspace, value));
        }
        for ((_, key), (keyspace, value)) in last {
            let disk = keyspace.disk.as_ref().expect("a keyspace on disk has a handle");
            match value {
                Some(value) => writes.insert(disk, &*key, &*value),
                None => writes.remove(disk, &*key),
            }
        }
        Ok(writes.commit()?)
    }

    pub(crate) fn clear(&self) -> Result<(), KvError> {
        for name in self.database.list_keyspace_names() {
            self.database.keyspace(&name, KeyspaceCreateOptions::default)?.clear()?;
        }
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}
