//! Copies of tables, and tables made of copies.

use std::sync::Arc;

use haar_kv::KvError;
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::past::{CHUNK as PIECE, PIECE_BYTES, Piece};
use super::{Actor, Change, Engine, Intent, Locks, Staging};
use crate::refusal::fault;
use crate::rules::codec;
use crate::rules::value::Item;
use crate::state::{TableKey, TableRow};

/// Items between two chances for others to run.
const CHUNK: usize = 64;

impl Engine {
    /// Removes what a backup kept.
    pub(crate) async fn drop_backup(&self, backup: u64) -> Result<(), KvError> {
        self.spaces.backups.clear_prefix(backup.to_be_bytes()).await.map(drop)
    }

    /// Fills a table with what it is restored from. Again, after a crash, changes nothing.
    pub(crate) async fn restore(
        self: &Arc<Self>,
        key: &TableKey,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let Some(row) = self.ledger.snapshot().get::<TableRow>(key) else { return Ok(()) };
        let Some(from) = &row.restored else { return Ok(()) };
        match from.source {
            Some(_) => self.locks.barrier(),
            None => self.settle(from.at).await,
        }
        let mut after = None;
        loop {
            let piece = match (from.source, from.table) {
                (Some(backup), _) => self.items_of_backup(backup, after).await,
                (None, Some(table)) => self.items_at(table, from.at, after).await,
                (None, None) => return self.sync().await,
            };
            let piece = piece.map_err(|error| fault(&error))?;
            for chunk in piece.items.chunks(CHUNK) {
                for (_, bytes) in chunk {
                    if let Some(item) = codec::decode(bytes.clone()) {
                        self.fill(&row, item, now)?;
                    }
                }
                tokio::task::yield_now().await;
            }
            after = piece.last;
            if after.is_none() {
                return self.sync().await;
            }
        }
    }

    async fn items_of_backup(
        self: &Arc<Self>,
        backup: u64,
        after: Option<Vec<u8>>,
    ) -> Result<Piece, KvError> {
        let space = self.spaces.backups.clone();
        let read = move || {
            let id = backup.to_be_bytes();
            let from = after.map_or(id.to_vec(), |after| [&id[..], &after, &[0]].concat());
            let (mut piece, mut bytes) = (Piece { items: Vec::new(), last: None }, 0);
            for entry in space.range(from..).take(PIECE) {
                let entry = entry?;
                if !entry.key.starts_with(&id) {
                    return Ok(Piece { last: None, ..piece });
                }
                piece.last = Some(entry.key[8..].to_vec());
                bytes += entry.value.len();
                piece.items.push((entry.key[8..].to_vec(), entry.value));
                if bytes >= PIECE_BYTES {
                    break;
                }
            }
            let is_full = piece.items.len() == PIECE || bytes >= PIECE_BYTES;
            Ok(Piece { last: piece.last.filter(|_| is_full), ..piece })
        };
        self.kv.aside(read).await
    }

    /// Puts an item into a table that nobody uses yet.
    pub(crate) fn fill(
        &self,
        table: &Arc<TableRow>,
        item: Item,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let key = table.keys.of_item(&item)?;
        let intent = Intent { table: &table.key, key: &key, actor: Actor::Caller };
        let _held = self.locks.lock(Locks::shard(table.id, &key.bytes));
        let mut staging = Staging::default();
        let old = self.get(table.id, &key.bytes)?;
        let put = (old, Change::Put(item));
        self.stage_unchecked(&mut staging, Arc::clone(table), &intent, put, now);
        staging.apply(self).map_err(|error| fault(&error))
    }
}
