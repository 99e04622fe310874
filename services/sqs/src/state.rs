//! The room's tables.

mod move_task;
mod queue;

use haar_ledger::Tables;

pub(crate) use move_task::{MoveStatus, MoveTaskRow};
pub(crate) use queue::{DeletedRow, QueueKey, QueueRow};

/// Adds them to those of other rooms.
pub(crate) fn tables(tables: Tables) -> Tables {
    tables.with::<QueueRow>().with::<DeletedRow>().with::<MoveTaskRow>()
}
