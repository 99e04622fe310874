//! Points in time.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the epoch.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds since the epoch with their fraction, as AWS's JSON protocols write them.
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Time since `earlier`; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-01-31T09:30:00.125Z`: ISO 8601, always with milliseconds.
    pub fn iso_millis(self) -> String {
        format!("{:.3}", self.jiff())
    }

    /// `2026-01-31T09:30:00Z`: ISO 8601, with a fraction only where there is one.
    pub fn iso(self) -> String {
        self.jiff().to_string()
    }

    /// Formats by jiff's `strftime` directives, in UTC.
    pub fn strftime(self, format: &str) -> String {
        self.jiff().strftime(format).to_string()
    }

    /// The same moment as jiff's type.
    pub fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_iso_8601() {
        let at = Timestamp(1_769_851_800_125);
        assert_eq!(at.iso_millis(), "2026-01-31T09:30:00.125Z");
        assert_eq!(Timestamp(1_769_851_800_000).iso(), "2026-01-31T09:30:00Z");
        assert_eq!(Timestamp(1_769_851_800_000).iso_millis(), "2026-01-31T09:30:00.000Z");
        assert_eq!(at.strftime("%Y/%m/%d"), "2026/01/31");
    }

    #[test]
    fn time_is_added_and_measured() {
        let at = Timestamp(0) + Duration::from_secs(90);
        assert_eq!(at.since(Timestamp(0)), Duration::from_secs(90));
        assert_eq!(Timestamp(0).since(at), Duration::ZERO);
    }
}
