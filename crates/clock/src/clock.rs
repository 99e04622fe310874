//! The door to time.

use std::future::Future;
use std::time::{Duration, SystemTime};

use haar_types::Timestamp;
use tokio::time::Instant;

/// Tells the time and waits. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Follows tokio's clock, which a test may have paused.
    Tokio {
        started: Instant,
        epoch: Timestamp,
    },
}

/// A point on the monotonic clock, for measuring durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// Time since `earlier`; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// A wait ended before the work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that starts at `epoch` and follows tokio's, for paused runtimes.
    pub fn simulated(epoch: Timestamp) -> Self {
        Self { source: Source::Tokio { started: Instant::now(), epoch } }
    }

    /// The wall time.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                Timestamp(0) + since.unwrap_or_default()
            }
            Source::Tokio { started, epoch } => *epoch + started.elapsed(),
        }
    }

    /// The monotonic time.
    pub fn moment(&self) -> Moment {
        Moment(Instant::now())
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until a moment.
    pub async fn sleep_until(&self, moment: Moment) {
        tokio::time::sleep_until(moment.0).await;
    }

    /// Waits until a wall time; at once when it has passed.
    pub async fn sleep_until_time(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }

    /// Runs `work` for at most `limit`.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(limit, work).await.map_err(|_| Elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_hours_pass_at_once_and_are_counted() {
        let clock = Clock::simulated(Timestamp(1_000));
        clock.sleep(Duration::from_secs(3 * 3600)).await;
        assert_eq!(clock.now(), Timestamp(1_000) + Duration::from_secs(3 * 3600));
    }
}
