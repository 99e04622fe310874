//! `rate(5 minutes)`.

use std::time::Duration;

use crate::error::BadSchedule;

/// Reads what stands in the brackets. `is_strict`: one of a unit is singular, more are plural.
pub(crate) fn parse(text: &str, is_strict: bool) -> Result<Duration, BadSchedule> {
    let mut words = text.split_ascii_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err(BadSchedule::Expression);
    };
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadSchedule::Expression);
    }
    let value: u64 = value.parse().map_err(|_| BadSchedule::Expression)?;
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return Err(BadSchedule::Expression),
    };
    let is_plural = unit.ends_with('s');
    if value == 0 || (is_strict && is_plural == (value == 1)) {
        return Err(BadSchedule::Expression);
    }
    // Longer than any clock here will run.
    let total = value.checked_mul(seconds).filter(|total| *total <= 1 << 38);
    total.map(Duration::from_secs).ok_or(BadSchedule::Expression)
}
