//! What may fail.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Why records could not be read or written. [`Self::Full`] alone passes by waiting.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KvError {
    /// Another process has the data directory open.
    #[error("the data directory {0} is in use by another haar; stop it, or choose another one")]
    Locked(PathBuf),
    /// The disk or the engine failed.
    #[error("could not reach the records on disk: {0}")]
    Backend(#[source] Arc<dyn Error + Send + Sync>),
    /// The disk has less room left than is kept free; nothing was written.
    #[error("the disk is full: no more than {0} MiB are left of it")]
    Full(u64),
    /// The store was closed while a write waited for the disk.
    #[error("the records were closed before the write reached the disk")]
    Closed,
}

impl From<fjall::Error> for KvError {
    fn from(error: fjall::Error) -> Self {
        Self::Backend(Arc::new(error))
    }
}

impl From<std::io::Error> for KvError {
    fn from(error: std::io::Error) -> Self {
        Self::Backend(Arc::new(error))
    }
}
