//! Periods: how fine metrics are kept, for how long, and where periods begin.
//!
//! AWS docs: *Amazon CloudWatch User Guide > Metrics concepts > Metrics retention*.

use std::time::Duration;

use haar_types::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How finely data are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resolution {
    Second,
    Minute,
    FiveMinutes,
    Hour,
}

impl Resolution {
    /// From the finest to the coarsest.
    pub(crate) const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::FiveMinutes, Self::Hour];

    /// Length of one stored period.
    pub(crate) fn period(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => MINUTE,
            Self::FiveMinutes => 5 * MINUTE,
            Self::Hour => HOUR,
        }
    }

    /// How long data are kept so finely.
    pub(crate) fn retention(self) -> Duration {
        match self {
            Self::Second => 3 * HOUR,
            Self::Minute => 15 * DAY,
            Self::FiveMinutes => 63 * DAY,
            Self::Hour => 455 * DAY,
        }
    }

    /// The next coarser one, into which data are merged when their time is over.
    pub(crate) fn coarser(self) -> Option<Self> {
        match self {
            Self::Second => Some(Self::Minute),
            Self::Minute => Some(Self::FiveMinutes),
            Self::FiveMinutes => Some(Self::Hour),
            Self::Hour => None,
        }
    }

    /// The finest that still exists for data as old as `start`.
    pub(crate) fn at(start: Timestamp, now: Timestamp) -> Self {
        let age = now.since(start);
        Self::ALL.into_iter().find(|finest| age < finest.retention()).unwrap_or(Self::Hour)
    }
}

/// Where the period that contains `at` begins.
pub(crate) fn period_start(at: Timestamp, period: Duration) -> Timestamp {
    let millis = i64::try_from(period.as_millis()).expect("periods are shorter than eons");
    Timestamp(at.0.div_euclid(millis) * millis)
}

/// Whether customers may ask for this period: 1, 5, 10, 20, 30 s or whole minutes.
pub(crate) fn is_legal(period_s: i32) -> bool {
    matches!(period_s, 1 | 5 | 10 | 20 | 30) || (period_s >= 60 && period_s % 60 == 0)
}

/// `StartTime` as CloudWatch rounds it: down to what is kept of data that old.
pub(crate) fn round_start(start: Timestamp, period: Duration, now: Timestamp) -> Timestamp {
    if period < MINUTE {
        return period_start(start, period);
    }
    period_start(start, Resolution::at(start, now).period().max(MINUTE))
}

/// Where the first period begins. Short periods lie on the clock; those that do not divide an
/// hour or a day begin at the rounded start.
pub(crate) fn first_period(start: Timestamp, period: Duration, now: Timestamp) -> Timestamp {
    let rounded = round_start(start, period, now);
    let divides = DAY.as_millis().is_multiple_of(period.as_millis());
    if divides { period_start(rounded, period) } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn old_data_are_kept_more_coarsely() {
        for (age, finest) in [
            (Duration::ZERO, Resolution::Second),
            (3 * HOUR, Resolution::Minute),
            (15 * DAY, Resolution::FiveMinutes),
            (63 * DAY, Resolution::Hour),
            (900 * DAY, Resolution::Hour),
        ] {
            assert_eq!(Resolution::at(NOW - age, NOW), finest, "{age:?}");
        }
    }

    #[test]
    fn a_start_is_rounded_to_what_is_kept() {
        let start = |age: Duration| NOW - age - Duration::from_secs(34);
        let rounded = |age: Duration| NOW.since(round_start(start(age), MINUTE, NOW)) - age;
        assert_eq!(rounded(HOUR), MINUTE);
        assert_eq!(rounded(16 * DAY), 5 * MINUTE);
        assert_eq!(rounded(100 * DAY), HOUR);
        let ten = Duration::from_secs(10);
        assert_eq!(NOW.since(round_start(NOW - Duration::from_secs(23), ten, NOW)), 3 * ten);
    }

    #[test]
    fn periods_lie_on_the_clock_where_they_divide_a_day() {
        let start = Timestamp(NOW.0 - 61_000);
        assert_eq!(first_period(start, HOUR, NOW), period_start(start, HOUR));
        let odd = 7 * MINUTE;
        assert_eq!(first_period(start, odd, NOW), Timestamp(NOW.0 - 120_000));
    }

    #[test]
    fn legal_periods() {
        for period in [1, 5, 10, 20, 30, 60, 300, 86_400] {
            assert!(is_legal(period), "{period}");
        }
        for period in [0, 2, 15, 59, 61, 90, -60] {
            assert!(!is_legal(period), "{period}");
        }
    }
}
