//! For how long a log group keeps its events.

use std::time::Duration;

/// The days that `PutRetentionPolicy` takes.
const DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// One day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Refuses days that are not in the list, in AWS's words.
pub(crate) fn check_days(days: i32) -> Result<(), String> {
    if DAYS.contains(&days) {
        return Ok(());
    }
    Err(format!(
        "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy \
         constraint: Member must satisfy enum value set: {DAYS:?}"
    ))
}

/// Days as a duration.
pub(crate) fn days(days: i32) -> Duration {
    DAY * u32::try_from(days).unwrap_or(0)
}
