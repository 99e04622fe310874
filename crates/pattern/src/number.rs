//! Numbers as patterns compare them: to six digits after the point.

use serde_json::Number;

/// Digits after the point that count, as a factor.
const SCALE: f64 = 1e6;

/// A number of a pattern or an event in millionths; none beyond ± five billion.
pub(crate) fn comparable(number: f64) -> Option<i64> {
    // Within the limit, so that the product fits.
    #[expect(clippy::cast_possible_truncation, reason = "at most 5e15 in size")]
    (number.abs() <= 5e9).then(|| (number * SCALE).round() as i64)
}

/// An event's number in millionths.
pub(crate) fn of_event(number: &Number) -> Option<i64> {
    number.as_f64().and_then(comparable)
}

/// A range of numbers in millionths.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) bottom: Option<Bound>,
    pub(crate) top: Option<Bound>,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: i64,
    /// The bound itself does not belong to the range.
    pub(crate) is_open: bool,
}

impl Range {
    pub(crate) fn holds(&self, value: i64) -> bool {
        let above = self.bottom.is_none_or(|b| value > b.value || !b.is_open && value == b.value);
        let below = self.top.is_none_or(|t| value < t.value || !t.is_open && value == t.value);
        above && below
    }
}
