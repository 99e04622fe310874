//! Control state: typed tables in memory, a durable log below.
//!
//! Rows live in persistent maps, so that a [`Snapshot`] is one pointer and never changes.
//! [`Ledger::transact`] builds on the newest state under one lock and returns at once; the
//! transactions that wait are written as one batch with one flush of the disk, then readers
//! see them, the [`ChangeFeed`] tells of them, and [`Committed::durable`] returns. A thread of the
//! ledger's own writes; where one commit is alone and the disk is quick, whoever awaits it does.
//!
//! **Invariant:** [`Ledger::snapshot`] shows only what is on disk (in memory, for an ephemeral
//! ledger). **Invariant:** a row that [`Row::check`] refuses is never committed. **Invariant:**
//! after a failed disk write nothing is acknowledged until the process starts anew.
//!
//! Begin reading at [`Row`], then [`Ledger`].

mod change;
mod commit;
mod error;
mod kind;
mod ledger;
mod load;
mod pace;
mod row;
mod snapshot;
pub mod store;
mod table;
mod tables;
mod tx;

pub use change::{BeforeAfter, Change, ChangeFeed, ChangeSet};
pub use commit::Committed;
pub use error::{LedgerError, StoreError};
pub use ledger::{Ledger, LedgerStats};
pub use row::{IndexEntry, Row};
pub use snapshot::Snapshot;
pub use tables::Tables;
pub use tx::Tx;
