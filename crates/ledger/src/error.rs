//! What may fail, and for whom.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the ledger did not keep a transaction, or did not open. [`Self::Full`] alone passes by
/// waiting.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// [`Row::check`](crate::Row::check) refused: a bug of whoever wrote the row.
    #[error("row {key} of table {table} broke its invariant: {reason}")]
    Invariant {
        /// The table.
        table: &'static str,
        /// The row's key, as `Debug` shows it.
        key: String,
        /// In the row's own words.
        reason: String,
    },
    /// A row cannot be written as bytes: a bug of its type.
    #[error("could not encode a row of table {table}: {reason}")]
    Encode {
        /// The table.
        table: &'static str,
        /// In the encoder's words.
        reason: String,
    },
    /// A stored row cannot be read: written by a newer haar, or damaged.
    #[error("could not read a stored row of table {table}: {reason}")]
    Decode {
        /// The table.
        table: &'static str,
        /// In the decoder's words.
        reason: String,
    },
    /// The disk failed, now or earlier; nothing is acknowledged any more.
    #[error("could not write the ledger to disk, no change is kept until a restart: {0}")]
    Store(#[source] Arc<StoreError>),
    /// The disk has no room; the transaction is as if never made, as are those that built on it.
    #[error("could not write the ledger: the disk is full")]
    Full,
    /// The store did not open or could not be read.
    #[error("could not open the ledger: {0}")]
    Open(#[source] Arc<StoreError>),
    /// The ledger was dropped before the transaction reached the disk.
    #[error("the ledger was closed before the change reached the disk")]
    Closed,
}

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory open.
    #[error("the data directory {0} is in use by another haar; stop it, or choose another one")]
    Locked(PathBuf),
    /// The disk has no room for a batch, of which nothing was written.
    #[error("the disk is full")]
    Full,
    /// The disk or the engine failed.
    #[error("{0}")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Wraps an engine's error.
    pub fn backend(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Backend(error.into())
    }
}
