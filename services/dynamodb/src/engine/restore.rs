//! Copies of tables, and tables made of copies.

use std::sync::Arc;

use haar_kv::{Batch, Entry, KvError};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::past::Kept;
use super::{Actor, Change, Engine, Intent, Locks, Staging};
use crate::refusal::fault;
use crate::rules::codec;
use crate::rules::value::Item;
use crate::state::{TableKey, TableRow};

/// Items between two chances for others to run.
const CHUNK: usize = 256;

impl Engine {
    /// Copies a table's items, as they are now, to the backup of this id; on disk when it
    /// returns.
    pub(crate) async fn back_up(&self, table: u64, backup: u64) -> Result<(), KvError> {
        let mut all = self.spaces.items.prefix(table.to_be_bytes());
        loop {
            let chunk: Vec<Entry> = all.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
            if chunk.is_empty() {
                return self.kv.sync().await;
            }
            let mut batch = Batch::new();
            for entry in chunk {
                let place = [&backup.to_be_bytes()[..], &entry.key[8..]].concat();
                batch.put(&self.spaces.backups, place, entry.value);
            }
            self.kv.apply(batch)?;
            tokio::task::yield_now().await;
        }
    }

    /// Keeps items as the backup of this id.
    pub(crate) async fn keep(&self, items: Vec<Kept>, backup: u64) -> Result<(), KvError> {
        for chunk in items.chunks(CHUNK) {
            let mut batch = Batch::new();
            for (base, item) in chunk {
                let place = [&backup.to_be_bytes()[..], base].concat();
                batch.put(&self.spaces.backups, place, item.clone());
            }
            self.kv.apply(batch)?;
            tokio::task::yield_now().await;
        }
        self.kv.sync().await
    }

    /// Removes what a backup kept.
    pub(crate) async fn drop_backup(&self, backup: u64) -> Result<(), KvError> {
        self.remove_all(&self.spaces.backups, &backup.to_be_bytes()).await
    }

    /// Fills a table with what it is restored from. Again, after a crash, changes nothing.
    pub(crate) async fn restore(&self, key: &TableKey, now: Timestamp) -> Result<(), AwsError> {
        let Some(row) = self.ledger.snapshot().get::<TableRow>(key) else { return Ok(()) };
        let from = row.restored.as_ref();
        let Some((source, of_backup)) =
            from.and_then(|from| Some((from.source?, from.backup_arn.is_some())))
        else {
            return Ok(());
        };
        let mut all = self.spaces.backups.prefix(source.to_be_bytes());
        loop {
            let mut count = 0;
            for entry in all.by_ref().take(CHUNK) {
                let entry = entry.map_err(|error| fault(&error))?;
                if let Some(item) = codec::decode(entry.value) {
                    self.fill(&row, item, now)?;
                }
                count += 1;
            }
            if count == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.sync().await?;
        match of_backup {
            true => Ok(()),
            // what was kept for this restore alone
            false => self.drop_backup(source).await.map_err(|error| fault(&error)),
        }
    }

    fn fill(&self, table: &Arc<TableRow>, item: Item, now: Timestamp) -> Result<(), AwsError> {
        let key = table.keys.of_item(&item)?;
        let intent = Intent { table: &table.key, key: &key, actor: Actor::Caller };
        let _held = self.locks.lock(Locks::shard(table.id, &key.bytes));
        let mut staging = Staging::default();
        let old = self.get(table.id, &key.bytes)?;
        self.stage(&mut staging, Arc::clone(table), &intent, (old, Change::Put(item)), now)?;
        staging.apply(self).map_err(|error| fault(&error))
    }
}
