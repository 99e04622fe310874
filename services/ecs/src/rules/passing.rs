//! How long something real took, whose begin is written down in the cloud's time.

use std::time::Duration;

use haar_clock::Clock;
use haar_types::Timestamp;

/// The cloud's time now, and what its instants were by the machine's clock: the cloud's may be
/// moved meanwhile, and no container starts or runs the faster for that.
#[derive(Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) at: Timestamp,
    to_machine: &'a (dyn Fn(Timestamp) -> Timestamp + Send + Sync),
}

impl<'a> Now<'a> {
    pub(crate) fn new(
        at: Timestamp,
        to_machine: &'a (dyn Fn(Timestamp) -> Timestamp + Send + Sync),
    ) -> Self {
        Self { at, to_machine }
    }

    /// Real time between two instants; zero where the first is the later one.
    pub(crate) fn between(&self, begin: Timestamp, end: Timestamp) -> Duration {
        (self.to_machine)(end).since((self.to_machine)(begin))
    }

    /// What is left of a real time that began then.
    pub(crate) fn left(&self, begin: Timestamp, limit: Duration) -> Duration {
        limit.saturating_sub(self.between(begin, self.at))
    }
}

/// What instants of a clock were by the machine's.
pub(crate) fn machine_of(clock: &Clock) -> impl Fn(Timestamp) -> Timestamp + Send + Sync + '_ {
    |at| clock.to_machine(at)
}
