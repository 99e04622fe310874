//! The room's rows in the ledger.

mod filter;
mod garbage;
mod group;
mod stream;

pub(crate) use filter::{FilterKey, MetricFilterRow, SubscriptionRow, Transformation, filters_of};
pub(crate) use garbage::GarbageRow;
pub(crate) use group::{GroupClass, GroupKey, GroupRow};
pub(crate) use stream::{StreamKey, StreamRow};

use std::sync::Arc;

use haar_ledger::{Snapshot, Tables};

/// Adds the room's tables.
pub(crate) fn tables(tables: Tables) -> Tables {
    tables
        .with::<GroupRow>()
        .with::<StreamRow>()
        .with::<GarbageRow>()
        .with::<SubscriptionRow>()
        .with::<MetricFilterRow>()
}

/// A group's streams, by name.
pub(crate) fn streams_of<'a>(
    snapshot: &'a Snapshot,
    group: &'a GroupKey,
) -> impl DoubleEndedIterator<Item = Arc<StreamRow>> + 'a {
    streams_from(snapshot, group, "")
}

/// A group's streams from a name on, by name.
pub(crate) fn streams_from<'a>(
    snapshot: &'a Snapshot,
    group: &'a GroupKey,
    name: &str,
) -> impl DoubleEndedIterator<Item = Arc<StreamRow>> + 'a {
    let first = StreamKey { group: group.clone(), name: name.to_owned() };
    // No group's name is another's with a NUL behind it.
    let behind = GroupKey { name: format!("{}\0", group.name), ..group.clone() };
    let end = StreamKey { group: behind, name: String::new() };
    snapshot.range::<StreamRow>(first..end)
}
