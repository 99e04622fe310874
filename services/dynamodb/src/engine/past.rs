//! What tables held before, for restores.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_kv::KvError;
use haar_types::Timestamp;

use super::{Engine, moment};
use crate::state::TableRow;

/// An item by its key behind the table's id.
pub(crate) type Kept = (Vec<u8>, Vec<u8>);

impl Engine {
    /// Removes what a table's items were before a time.
    pub(crate) fn trim_past(&self, table: &TableRow, before: Timestamp) -> Result<(), KvError> {
        for entry in self.spaces.past.prefix(table.id.to_be_bytes()) {
            let entry = entry?;
            if is_before(&entry.key, before) {
                self.spaces.past.remove(&entry.key)?;
            }
        }
        Ok(())
    }

    /// A table's items as they were at a time, each with its key behind the table's id.
    pub(crate) fn items_at(&self, table: u64, at: Timestamp) -> Result<Vec<Kept>, KvError> {
        let mut items = BTreeMap::new();
        for entry in self.spaces.items.prefix(table.to_be_bytes()) {
            let entry = entry?;
            items.insert(entry.key[8..].to_vec(), entry.value.to_vec());
        }
        // from the newest change back: each says what was before it
        for entry in self.spaces.past.prefix(table.to_be_bytes()).rev() {
            let entry = entry?;
            if is_before(&entry.key, at + Duration::from_millis(1)) {
                continue;
            }
            let base = entry.key[8..entry.key.len() - 8].to_vec();
            match entry.value.is_empty() {
                true => drop(items.remove(&base)),
                false => drop(items.insert(base, entry.value.to_vec())),
            }
        }
        Ok(items.into_iter().collect())
    }
}

/// True where a change's time, which ends its key, is before another.
fn is_before(key: &[u8], time: Timestamp) -> bool {
    key.last_chunk::<8>().is_some_and(|at| *at < moment(time))
}
