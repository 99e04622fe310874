//! Seats: how many acts of one controller go on at once.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The seats of one controller.
pub(crate) struct Seats {
    places: Arc<Semaphore>,
    /// A seat was left before its act ended.
    left: Arc<Notify>,
}

/// The seat of one act: left while the act waits for others, taken again before it goes on.
pub(crate) struct Seat {
    places: Arc<Semaphore>,
    left: Arc<Notify>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Seats {
    pub(crate) fn new(count: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(count)), left: Arc::new(Notify::new()) }
    }

    /// One that is free now. Those who left theirs and want it back come first.
    pub(crate) fn take(&self) -> Option<Seat> {
        let held = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Seat {
            places: Arc::clone(&self.places),
            left: Arc::clone(&self.left),
            held: Mutex::new(Some(held)),
        })
    }

    /// Ends when an act left its seat.
    pub(crate) async fn left(&self) {
        self.left.notified().await;
    }
}

impl Seat {
    pub(crate) fn leave(&self) {
        if self.held.lock().take().is_some() {
            self.left.notify_one();
        }
    }

    pub(crate) async fn take_again(&self) {
        // the semaphore lives as long as a seat does and is never closed
        if let Ok(held) = Arc::clone(&self.places).acquire_owned().await {
            *self.held.lock() = Some(held);
        }
    }
}
