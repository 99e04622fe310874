//! How often a table's encryption may change. AWS docs: *Developer Guide > Constraints > DynamoDB
//! encryption at rest*.

use std::time::Duration;

use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::refusal::limit;
use crate::state::SseChanges;

/// Changes of a day that need no waiting; days begin when the table was made.
const FREE_CHANGES: i64 = 4;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Seconds between later changes.
const PAUSE_SECONDS: u64 = 6 * 60 * 60;

/// The changes with one more of now, where that is allowed.
pub(crate) fn one_more(
    before: SseChanges,
    created_at: Timestamp,
    now: Timestamp,
) -> Result<SseChanges, AwsError> {
    let day = |at: Timestamp| (at.0 - created_at.0).div_euclid(DAY.as_millis() as i64);
    let Some(last) = before.last_at.filter(|last| day(*last) == day(now)) else {
        return Ok(SseChanges { last_at: Some(now), count: 1 });
    };
    if before.count >= FREE_CHANGES && now < last + Duration::from_secs(PAUSE_SECONDS) {
        let ends = Timestamp(created_at.0 + (day(now) + 1) * DAY.as_millis() as i64);
        return Err(limit(format!(
            "Subscriber limit exceeded: Encryption mode changes are limited in the 24h window \
             ending at {}. After the first {FREE_CHANGES} change, each subsequent change in the \
             same window can be performed at most once every {PAUSE_SECONDS} seconds. Number of \
             updates today: {}",
            ends.iso_millis(),
            before.count
        )));
    }
    Ok(SseChanges { last_at: Some(now), count: before.count + 1 })
}
