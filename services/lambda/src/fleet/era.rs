//! The times between resets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts resets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Eras(Arc<AtomicU64>);

/// When something began: what a reset cut off has nothing to write any more.
#[derive(Clone, Debug)]
pub(crate) struct Era {
    eras: Arc<AtomicU64>,
    number: u64,
}

impl Eras {
    /// The one that lasts.
    pub(crate) fn now(&self) -> Era {
        Era { eras: Arc::clone(&self.0), number: self.0.load(Ordering::Relaxed) }
    }

    /// Begins the next.
    pub(crate) fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Era {
    /// True when a reset has ended it.
    pub(crate) fn is_over(&self) -> bool {
        self.eras.load(Ordering::Relaxed) != self.number
    }
}
