//! What the driver tells of its controllers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// One controller's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControllerStats {
    /// Its name.
    pub name: &'static str,
    /// Keys that wait for a look.
    pub queued: usize,
    /// Keys being acted on.
    pub in_flight: usize,
    /// Keys put aside because they panicked.
    pub quarantined: usize,
    /// Rounds that ended well since the start.
    pub rounds: u64,
    /// Rounds that failed since the start.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) queued: AtomicUsize,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) quarantined: AtomicUsize,
    pub(crate) rounds: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Gauges {
    pub(crate) fn read(&self, name: &'static str) -> ControllerStats {
        ControllerStats {
            name,
            queued: self.queued.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            quarantined: self.quarantined.load(Relaxed),
            rounds: self.rounds.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }
}
