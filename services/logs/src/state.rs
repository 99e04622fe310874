//! The room's rows in the ledger.

mod garbage;
mod group;
mod stream;

pub(crate) use garbage::GarbageRow;
pub(crate) use group::{GroupClass, GroupKey, GroupRow};
pub(crate) use stream::{StreamKey, StreamRow};

use haar_ledger::Tables;

/// Adds the room's tables.
pub(crate) fn tables(tables: Tables) -> Tables {
    tables.with::<GroupRow>().with::<StreamRow>().with::<GarbageRow>()
}
