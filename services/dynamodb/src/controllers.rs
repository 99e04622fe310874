//! What happens to tables over time.

mod backups;
mod tables;
mod transfers;

pub use backups::{BackupName, Backups, Deed};
pub use tables::{Advance, TableName, Tables};
pub use transfers::{Exports, Imports, TransferName};
