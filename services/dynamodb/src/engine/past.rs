//! What tables held before, for copies of them as they were.
//!
//! A change keeps what was before it, by the item's key and the time of the change. So an item as
//! it was at a time is what the first change after that has kept, or else the item as it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_kv::{Batch, Entry, KvError};
use haar_types::Timestamp;

use super::{Engine, moment};

/// Items, or entries of the past, that are looked at before others have their turn.
pub(super) const CHUNK: usize = 512;

/// Bytes of items after which a piece ends.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Longer than any time that ends a key.
const BEHIND_TIMES: [u8; 8] = [0xff; 8];

/// Some items as they were.
pub(crate) struct Piece {
    /// Each with its key behind the table's id.
    pub(crate) items: Vec<(Vec<u8>, Bytes)>,
    /// The key after which there may be more.
    pub(crate) last: Option<Vec<u8>>,
}

impl Engine {
    /// A table's items as they were at a time, those behind a key, some of them. The table must
    /// have kept its past since.
    pub(crate) async fn items_at(
        self: &Arc<Self>,
        table: u64,
        at: Timestamp,
        after: Option<Vec<u8>>,
    ) -> Result<Piece, KvError> {
        let engine = Arc::clone(self);
        self.kv.aside(move || engine.piece_at(table, at, after.as_deref())).await
    }

    fn piece_at(&self, table: u64, at: Timestamp, after: Option<&[u8]>) -> Result<Piece, KvError> {
        let id = table.to_be_bytes();
        let (from, past_from) = match after {
            // keys are none the beginning of another, so the past of one ends before the next
            Some(after) => {
                ([&id[..], after, &[0]].concat(), [&id[..], after, &BEHIND_TIMES].concat())
            }
            None => (id.to_vec(), id.to_vec()),
        };
        let end = table.checked_add(1).map_or(vec![0xff; 9], |next| next.to_be_bytes().to_vec());
        // The items first: what changes in between is in the past that is read then.
        let items = self.spaces.items.range(from..end.clone());
        let past = self.spaces.past.range(past_from..end);
        merge(items.fuse(), past.fuse(), at)
    }

    /// Copies a table's items, as they were at a time, to the backup of this id; on disk when it
    /// returns. Again, it writes the same.
    pub(crate) async fn back_up(
        self: &Arc<Self>,
        table: u64,
        at: Timestamp,
        backup: u64,
    ) -> Result<u64, KvError> {
        self.settle(at).await;
        let (mut after, mut count) = (None, 0);
        loop {
            let piece = self.items_at(table, at, after).await?;
            count += piece.items.len() as u64;
            let mut batch = Batch::new();
            for (base, item) in piece.items {
                let place = [&backup.to_be_bytes()[..], &base].concat();
                batch.put(&self.spaces.backups, place, item);
            }
            let kv = self.kv.clone();
            self.kv.aside(move || kv.apply(batch)).await?;
            after = piece.last;
            if after.is_none() {
                self.kv.sync().await?;
                return Ok(count);
            }
        }
    }

    /// Removes what a table's items were before a time.
    pub(crate) async fn trim_past(
        self: &Arc<Self>,
        table: u64,
        before: Timestamp,
    ) -> Result<(), KvError> {
        let mut after = None;
        loop {
            let engine = Arc::clone(self);
            let trim = move || engine.trim_some(table, before, after.as_deref());
            after = self.kv.aside(trim).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// The key after which there may be more.
    fn trim_some(
        &self,
        table: u64,
        before: Timestamp,
        after: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, KvError> {
        let id = table.to_be_bytes();
        let from = after.map_or(id.to_vec(), |after| [after, &[0]].concat());
        let (mut batch, mut seen, mut last) = (Batch::new(), 0, None);
        for entry in self.spaces.past.range(from..).take(CHUNK) {
            let entry = entry?;
            if !entry.key.starts_with(&id) {
                break;
            }
            if time_of(&entry.key) < moment(before) {
                batch.remove(&self.spaces.past, &entry.key);
            }
            (seen, last) = (seen + 1, Some(entry.key.to_vec()));
        }
        self.kv.apply(batch)?;
        Ok(last.filter(|_| seen == CHUNK))
    }
}

/// Items as they were at a time, out of what they are and what was before the changes.
fn merge(
    mut items: impl Iterator<Item = Result<Entry, KvError>>,
    mut past: impl Iterator<Item = Result<Entry, KvError>>,
    at: Timestamp,
) -> Result<Piece, KvError> {
    let later = moment(at + Duration::from_millis(1));
    let (mut item, mut change) = (items.next().transpose()?, past.next().transpose()?);
    let (mut piece, mut bytes) = (Piece { items: Vec::new(), last: None }, 0);
    for _ in 0..CHUNK {
        let of_item = item.as_ref().map(|entry| entry.key[8..].to_vec());
        let of_change = change.as_ref().map(|entry| base_of(&entry.key).to_vec());
        let base = match (&of_item, &of_change) {
            (Some(item), Some(change)) => item.min(change).clone(),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => return Ok(Piece { last: None, ..piece }),
        };
        let mut value = None;
        if of_item.as_ref() == Some(&base) {
            value = item.map(|entry| entry.value);
            item = items.next().transpose()?;
        }
        let mut is_undone = false;
        while let Some(entry) = change.take_if(|entry| base_of(&entry.key) == base) {
            if !is_undone && time_of(&entry.key) >= later {
                is_undone = true;
                value = Some(entry.value).filter(|before| !before.is_empty());
            }
            change = past.next().transpose()?;
        }
        bytes += value.as_ref().map_or(0, Bytes::len);
        piece.items.extend(value.map(|value| (base.clone(), value)));
        piece.last = Some(base);
        if bytes >= PIECE_BYTES {
            break;
        }
    }
    Ok(piece)
}

/// An item's key within that of a change.
fn base_of(key: &[u8]) -> &[u8] {
    &key[8..key.len() - 8]
}

/// A change's time, which ends its key.
fn time_of(key: &[u8]) -> [u8; 8] {
    key.last_chunk::<8>().copied().unwrap_or_default()
}
