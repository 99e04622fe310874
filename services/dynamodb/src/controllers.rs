//! What happens to tables over time.

mod backups;
mod tables;

pub use backups::{BackupName, Backups, Deed};
pub use tables::{Advance, TableName, Tables};
