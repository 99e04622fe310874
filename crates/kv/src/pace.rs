//! How long a flush of the disk takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// As long as an async thread may stand still for one commit: no longer than many a request
/// computes. A hand-over to another thread and back costs a tenth of it.
const QUICK: Duration = Duration::from_micros(300);

/// The least and the most that a flush waits for the next one to join. Where the disk is quick, to be
/// late costs little; where it is slow, all who are to come are there before.
const MOMENT: [Duration; 2] = [Duration::from_micros(50), Duration::from_micros(200)];

/// The time of the flushes of late, in microseconds; the newest counts for a quarter.
#[derive(Debug)]
pub struct Pace(AtomicU64);

impl Default for Pace {
    /// Slow, until the disk has shown that it is not.
    fn default() -> Self {
        Self(AtomicU64::new(4 * QUICK.as_micros() as u64))
    }
}

impl Pace {
    /// Does it, and notes how long it took.
    #[allow(clippy::disallowed_methods)] // chooses a thread by it; no state depends on it
    pub fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let order = Ordering::Relaxed; // one flush at a time
        let mean = self.0.load(order);
        self.0.store((mean / 4 * 3).saturating_add(took / 4), order);
        done
    }

    /// True when a thread may wait for the next one.
    pub fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) < QUICK.as_micros() as u64
    }

    /// How long a flush may wait for the next one to join, where it may expect any: as long as it
    /// would be under way, within bounds.
    pub(crate) fn moment(&self) -> Duration {
        let [least, most] = MOMENT;
        Duration::from_micros(self.0.load(Ordering::Relaxed)).clamp(least, most)
    }
}
