//! How many batches of a queue are on their way at once. AWS docs: *Scaling behavior for SQS
//! event source mappings*: five at first, up to 300 more each minute while messages wait, 1,250
//! at most; fewer after errors.

use std::time::Duration;

/// Batches at once when a mapping begins.
pub const FIRST: f64 = 5.0;
/// Batches at once at most, unless the mapping says fewer.
pub const MOST: f64 = 1250.0;
/// More batches for each second in which all were busy.
const GAINED_PER_SECOND: f64 = 5.0;
/// Batches at once of one provisioned poller. AWS docs: *Using provisioned mode with an Amazon SQS
/// event source mapping*.
pub const OF_POLLER: f64 = 10.0;
/// The same where pollers are provisioned: 1,000 each minute.
const GAINED_PER_SECOND_PROVISIONED: f64 = 1000.0 / 60.0;
/// What is left of the concurrency after an error, and never fewer than one. *Ours*: AWS names
/// no number.
const LEFT_AFTER_ERROR: f64 = 0.5;

/// How many batches may be on their way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    allowed: f64,
    first: f64,
    most: f64,
    gained_per_second: f64,
}

impl Scale {
    /// The beginning; `most` is the mapping's maximum concurrency.
    pub fn new(most: Option<u32>) -> Self {
        let most = most.map_or(MOST, f64::from);
        let first = FIRST.min(most);
        Self { allowed: first, first, most, gained_per_second: GAINED_PER_SECOND }
    }

    /// The beginning where pollers are provisioned, so many at least and at most.
    pub fn provisioned((least, most): (u32, u32)) -> Self {
        let (first, most) = (OF_POLLER * f64::from(least), OF_POLLER * f64::from(most));
        let gained_per_second = GAINED_PER_SECOND_PROVISIONED;
        Self { allowed: first, first, most, gained_per_second }
    }

    /// How many may be on their way.
    pub fn allowed(self) -> usize {
        self.allowed as usize
    }

    /// All were busy for so long.
    pub fn busy(&mut self, time: Duration) {
        let gained = time.as_secs_f64() * self.gained_per_second;
        self.allowed = (self.allowed + gained).min(self.most);
    }

    /// There was nothing to do.
    pub fn idle(&mut self) {
        self.allowed = self.first;
    }

    /// A batch failed, or was throttled.
    pub fn failed(&mut self) {
        self.allowed = (self.allowed * LEFT_AFTER_ERROR).max(1.0);
    }

    /// A batch was done: what errors took comes back, one by one.
    pub fn succeeded(&mut self) {
        if self.allowed < self.first {
            self.allowed = (self.allowed + 1.0).min(self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_five_and_gains_three_hundred_a_minute_up_to_the_most() {
        let mut scale = Scale::new(None);
        assert_eq!(scale.allowed(), 5);
        scale.busy(Duration::from_secs(60));
        assert_eq!(scale.allowed(), 305);
        scale.busy(Duration::from_secs(3600));
        assert_eq!(scale.allowed(), 1250);
        scale.idle();
        assert_eq!(scale.allowed(), 5);
    }

    #[test]
    fn a_maximum_concurrency_holds_at_all_times() {
        let mut scale = Scale::new(Some(2));
        assert_eq!(scale.allowed(), 2);
        scale.busy(Duration::from_secs(60));
        scale.idle();
        assert_eq!(scale.allowed(), 2);
    }

    #[test]
    fn provisioned_pollers_bring_ten_each_and_a_thousand_a_minute() {
        let mut scale = Scale::provisioned((2, 150));
        assert_eq!(scale.allowed(), 20);
        scale.busy(Duration::from_secs(60));
        assert_eq!(scale.allowed(), 1020);
        scale.busy(Duration::from_secs(60));
        assert_eq!(scale.allowed(), 1500);
        scale.idle();
        assert_eq!(scale.allowed(), 20);
    }

    #[test]
    fn errors_take_concurrency_and_successes_bring_it_back() {
        let mut scale = Scale::new(None);
        scale.failed();
        assert_eq!(scale.allowed(), 2);
        for _ in 0..5 {
            scale.failed();
        }
        assert_eq!(scale.allowed(), 1);
        for _ in 0..9 {
            scale.succeeded();
        }
        assert_eq!(scale.allowed(), 5);
    }
}
