//! Where items and their index entries stand, and what an index shows of an item.

use haar_dynamodb_contract::{IndexStatus, ProjectionType};

use crate::rules::schema::KeySchema;
use crate::rules::value::{Attr, Item};
use crate::state::{Index, TableRow};

/// An item's key in kv.
pub(crate) fn item_key(table: u64, key: &[u8]) -> Vec<u8> {
    [&table.to_be_bytes()[..], key].concat()
}

/// What all keys of an index begin with.
pub(crate) fn index_prefix(table: u64, number: u32) -> Vec<u8> {
    [&table.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

/// An index entry's key in kv; `None` where the item is not in the index.
pub(crate) fn index_key(table: u64, index: &Index, item: &Item, base: &[u8]) -> Option<Vec<u8>> {
    index.keys.check_index(&index.name, item).ok()?;
    let (bytes, _) = index.keys.bytes(item)?;
    let mut key = index_prefix(table, index.number);
    key.extend_from_slice(&bytes);
    key.extend_from_slice(base);
    Some(key)
}

/// When an item expires, in seconds; `None` where it does not. AWS docs: *Developer Guide > Using
/// time to live*: other types than Number are no time, and one over five years past is none.
pub(crate) fn expiry(attribute: &str, item: &Item) -> Option<u64> {
    match item.get(attribute)? {
        Attr::N(number) => number.whole().and_then(|seconds| u64::try_from(seconds).ok()),
        _ => None,
    }
}

impl Index {
    /// True once every item is in it.
    pub(crate) fn is_readable(&self) -> bool {
        matches!(self.status, IndexStatus::Active | IndexStatus::Updating)
    }

    /// True where the index holds this attribute of the table's items.
    pub(crate) fn shows(&self, table: &KeySchema, name: &str) -> bool {
        match self.projected.kind {
            ProjectionType::All => true,
            _ if self.keys.has(name) || table.has(name) => true,
            ProjectionType::Include => self.projected.attributes.iter().any(|one| one == name),
            ProjectionType::KeysOnly => false,
        }
    }

    /// The item as the index holds it.
    pub(crate) fn project(&self, table: &KeySchema, mut item: Item) -> Item {
        if self.projected.kind != ProjectionType::All {
            item.retain(|name, _| self.shows(table, name));
        }
        item
    }

    /// Bytes of the item as the index holds it.
    pub(crate) fn size_of(&self, table: &TableRow, item: &Item) -> usize {
        let shown = item.iter().filter(|(name, _)| self.shows(&table.keys, name));
        shown.map(|(name, value)| name.len() + value.size()).sum()
    }
}
