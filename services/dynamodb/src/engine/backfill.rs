//! Bringing items that are there into what is new.

use haar_kv::{Entry, KvError};

use super::entries::expiry;
use super::{Engine, Locks, Staging, index_key, index_prefix, item_key};
use crate::rules::codec;
use crate::rules::value::Item;
use crate::state::{Index, TableKey, TableRow};

/// Items between two chances for others to run.
const CHUNK: usize = 256;

impl Engine {
    /// Writes the entries of a new index. Items that writers came to first have theirs.
    pub(crate) async fn backfill(&self, key: &TableKey, number: u32) -> Result<(), KvError> {
        let Some(row) = self.ledger.snapshot().get::<TableRow>(key) else { return Ok(()) };
        let Some(index) = row.indexes.iter().find(|index| index.number == number) else {
            return Ok(());
        };
        self.each_item(&row, |staging, place, item| self.enter(staging, &row, index, place, item))
            .await
    }

    fn enter(
        &self,
        staging: &mut Staging,
        row: &TableRow,
        index: &Index,
        base: &[u8],
        item: &Item,
    ) -> Result<(), KvError> {
        let Some(entry) = index_key(row.id, index, item, base) else { return Ok(()) };
        if self.spaces.entries.get(&entry)?.is_none() {
            let size = i64::try_from(index.size_of(row, item)).unwrap_or(i64::MAX);
            let shard = Locks::shard(row.id, base);
            staging.add(row.id, index.number, shard, (0, 0), (1, size));
            staging.batch.put(&self.spaces.entries, entry, base.to_vec());
        }
        Ok(())
    }

    /// Notes the expiries of items that are there.
    pub(crate) async fn backfill_expiries(&self, key: &TableKey) -> Result<(), KvError> {
        let Some(row) = self.ledger.snapshot().get::<TableRow>(key) else { return Ok(()) };
        let Some(attribute) = &row.ttl.attribute else { return Ok(()) };
        self.each_item(&row, |staging, base, item| {
            if let Some(second) = expiry(attribute, item) {
                let place = [&row.id.to_be_bytes()[..], &second.to_be_bytes(), base].concat();
                staging.batch.put(&self.spaces.expiries, place, Vec::new());
            }
            Ok(())
        })
        .await
    }

    /// Removes an index's entries and counts.
    pub(crate) async fn drop_index(&self, key: &TableKey, number: u32) -> Result<(), KvError> {
        let Some(row) = self.ledger.snapshot().get::<TableRow>(key) else { return Ok(()) };
        self.locks.barrier();
        let prefix = index_prefix(row.id, number);
        self.spaces.entries.clear_prefix(&prefix).await?;
        self.spaces.counts.clear_prefix(&prefix).await.map(drop)
    }

    /// Removes a table's expiries.
    pub(crate) async fn drop_expiries(&self, key: &TableKey) -> Result<(), KvError> {
        let Some(row) = self.ledger.snapshot().get::<TableRow>(key) else { return Ok(()) };
        self.locks.barrier();
        self.spaces.expiries.clear_prefix(row.id.to_be_bytes()).await.map(drop)
    }

    /// Shows every item that was there when all writers knew the table as it is now, as it then
    /// is, under its lock.
    async fn each_item(
        &self,
        row: &TableRow,
        work: impl Fn(&mut Staging, &[u8], &Item) -> Result<(), KvError>,
    ) -> Result<(), KvError> {
        self.locks.barrier();
        let mut all = self.spaces.items.prefix(row.id.to_be_bytes());
        loop {
            let chunk: Vec<Entry> = all.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
            if chunk.is_empty() {
                return self.kv.sync().await;
            }
            for entry in chunk {
                let base = &entry.key[8..];
                let _held = self.locks.lock(Locks::shard(row.id, base));
                let now = self.spaces.items.get(item_key(row.id, base))?;
                let Some(item) = now.and_then(codec::decode) else { continue };
                let mut staging = Staging::default();
                work(&mut staging, base, &item)?;
                staging.apply(self)?;
            }
            tokio::task::yield_now().await;
        }
    }
}
