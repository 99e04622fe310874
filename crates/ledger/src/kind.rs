//! Rows and keys whose types are forgotten. Tables, transactions and snapshots are written once
//! for all row types: what depends on the type is behind a [`Kind`] and an [`AnyKey`].

use std::any::Any;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt::{self, Debug};
use std::sync::Arc;

use serde::Serialize;

use crate::{IndexEntry, Row};

/// Most rows are smaller.
const ROW_BYTES_USUAL: usize = 512;

/// A row, whatever its type.
pub(crate) type AnyRow = Arc<dyn Any + Send + Sync>;

/// A reference to a row, whatever its type.
pub(crate) type RowRef<'a> = &'a (dyn Any + Send + Sync);

type Encoded = Result<Vec<u8>, rmp_serde::encode::Error>;

/// The row that a table of `R` holds.
pub(crate) fn typed<R: Row>(row: &AnyRow) -> Arc<R> {
    Arc::downcast(Arc::clone(row)).expect("a table's slot is found by its row type")
}

/// The same without counting one more owner.
fn seen<R: Row>(row: RowRef<'_>) -> &R {
    row.downcast_ref().expect("a table's slot is found by its row type")
}

/// What a ledger must know of a row type.
pub(crate) struct Kind {
    pub(crate) table: &'static str,
    pub(crate) key: fn(RowRef<'_>) -> Key,
    pub(crate) indexes: fn(RowRef<'_>) -> Vec<IndexEntry>,
    pub(crate) check: fn(Option<RowRef<'_>>, RowRef<'_>) -> Result<(), String>,
    pub(crate) encode: fn(RowRef<'_>) -> Encoded,
    pub(crate) decode: fn(&[u8]) -> Result<AnyRow, haar_pack::Error>,
}

impl Kind {
    pub(crate) const fn of<R: Row>() -> Self {
        Self {
            table: R::TABLE,
            key: |row| Key::new(seen::<R>(row).key()),
            indexes: |row| seen::<R>(row).indexes(),
            check: |old, new| R::check(old.map(seen), seen(new)),
            encode: |row| {
                let mut bytes = Vec::with_capacity(ROW_BYTES_USUAL);
                rmp_serde::encode::write_named(&mut bytes, seen::<R>(row)).map(|()| bytes)
            },
            decode: |bytes| Ok(Arc::new(haar_pack::read_named::<R>(bytes)?)),
        }
    }
}

/// A key, whatever its type. All keys of one map have one type.
pub(crate) trait AnyKey: Any + Debug + Send + Sync {
    fn compare(&self, other: &dyn AnyKey) -> Ordering;
    fn encode(&self) -> Encoded;
}

impl<K: Ord + Debug + Send + Sync + Serialize + 'static> AnyKey for K {
    fn compare(&self, other: &dyn AnyKey) -> Ordering {
        let other: &dyn Any = other;
        self.cmp(other.downcast_ref().expect("a table has one type of key"))
    }

    fn encode(&self) -> Encoded {
        rmp_serde::to_vec(self)
    }
}

impl PartialEq for dyn AnyKey {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

impl Eq for dyn AnyKey {}

impl PartialOrd for dyn AnyKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn AnyKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other)
    }
}

/// A key as tables keep it.
#[derive(Clone)]
pub(crate) struct Key(Arc<dyn AnyKey>);

impl Key {
    pub(crate) fn new(key: impl AnyKey) -> Self {
        Self(Arc::new(key))
    }

    pub(crate) fn encode(&self) -> Encoded {
        self.0.encode()
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Borrow<dyn AnyKey> for Key {
    fn borrow(&self) -> &dyn AnyKey {
        &*self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.compare(&*other.0) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.compare(&*other.0)
    }
}
