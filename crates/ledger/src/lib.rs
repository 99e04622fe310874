//! Control state: typed tables in memory, a durable log below.
//!
//! Rows live in persistent maps, so that a [`Snapshot`] is one pointer and never changes.
//! [`Ledger::transact`] builds on the newest state under one lock and returns at once. The rows
//! are staged in the store outside that lock, by whoever finds the store free: two who commit are
//! at it side by side, one with its transaction and one with the rows of both. One flush of the
//! disk serves all that wait; then readers see them, the [`ChangeFeed`] tells of them, and
//! [`Committed::durable`] returns. A thread of the ledger's own flushes; where the disk is quick
//! and nobody else is to be expected, whoever awaits the last commit does.
//!
//! **Invariant:** [`Ledger::snapshot`] shows only what is on disk (in memory, for an ephemeral
//! ledger). **Invariant:** a row that [`Row::check`] refuses is never committed. **Invariant:**
//! after a failed disk write nothing is acknowledged until the process starts anew.
//! **Invariant:** a store that lets its callers wait holds up the flushes alone, and no transaction.
//!
//! Begin reading at [`Row`], then [`Ledger`].

mod change;
mod commit;
mod error;
mod flushing;
mod group;
mod kind;
mod ledger;
mod load;
mod row;
mod snapshot;
pub mod store;
mod table;
mod tables;
mod tx;
mod writer;

pub use change::{BeforeAfter, Change, ChangeFeed, ChangeSet};
pub use commit::Committed;
pub use error::{LedgerError, StoreError};
pub use ledger::{Ledger, LedgerStats};
pub use row::{IndexEntry, Row};
pub use snapshot::Snapshot;
pub use tables::Tables;
pub use tx::Tx;
