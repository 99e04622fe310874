//! What may pass in a second.

use haar_clock::Moment;

/// So much a second, and at most a second's worth at once. A single piece that is more than
/// that passes when the bucket is full, and is paid back.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    left: f64,
    at: Moment,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, now: Moment) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: per_second, at: now }
    }

    /// True when so much may pass now.
    pub(crate) fn holds(&mut self, amount: f64, now: Moment) -> bool {
        let gained = now.since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + gained).min(self.per_second);
        self.at = now;
        self.left >= amount.min(self.per_second)
    }

    /// Takes so much, below nothing if need be.
    pub(crate) fn take(&mut self, amount: f64) {
        self.left -= amount;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haar_clock::Clock;
    use haar_types::Timestamp;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_brings_a_seconds_worth_and_no_more() {
        let clock = Clock::simulated(Timestamp(0));
        let mut bucket = Bucket::new(10, clock.moment());
        assert!(bucket.holds(10.0, clock.moment()));
        bucket.take(10.0);
        assert!(!bucket.holds(1.0, clock.moment()));
        clock.sleep(Duration::from_millis(500)).await;
        assert!(bucket.holds(5.0, clock.moment()) && !bucket.holds(6.0, clock.moment()));
        clock.sleep(Duration::from_secs(60)).await;
        assert!(bucket.holds(10.0, clock.moment()));
        bucket.take(10.0);
        assert!(!bucket.holds(1.0, clock.moment()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_larger_than_a_seconds_worth_passes_a_full_bucket_and_is_paid_back() {
        let clock = Clock::simulated(Timestamp(0));
        let mut bucket = Bucket::new(10, clock.moment());
        assert!(bucket.holds(40.0, clock.moment()));
        bucket.take(40.0);
        clock.sleep(Duration::from_secs(3)).await;
        assert!(!bucket.holds(1.0, clock.moment()));
        clock.sleep(Duration::from_secs(1)).await;
        assert!(bucket.holds(10.0, clock.moment()));
    }
}
