//! How provisioned throughput may change. AWS docs: *Developer Guide > Service, account, and
//! table quotas*.

use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::refusal::{invalid, limit};
use crate::state::Throughput;

/// Decreases of a day that need no waiting.
const FREE_DECREASES: i64 = 4;

/// Milliseconds of a UTC day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Milliseconds between later decreases.
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Throughput after a change of a table or an index, which `what` names; `may_stay` where other
/// things change with it.
pub(crate) fn changed(
    before: Throughput,
    (read, write): (i64, i64),
    now: Timestamp,
    may_stay: bool,
    what: &str,
    table: &str,
) -> Result<Throughput, AwsError> {
    if (read, write) == (before.read, before.write) {
        return match may_stay {
            true => Ok(before),
            false => Err(invalid(format!(
                "The provisioned throughput for the {what} {table} will not change. The requested \
                 value equals the current value. Current ReadCapacityUnits provisioned for the \
                 {what}: {read}. Requested ReadCapacityUnits: {read}. Current WriteCapacityUnits \
                 provisioned for the {what}: {write}. Requested WriteCapacityUnits: {write}. Refer \
                 to the Amazon DynamoDB Developer Guide for current limits and how to request \
                 higher limits."
            ))),
        };
    }
    let mut after = Throughput { read, write, ..before };
    if read > before.read || write > before.write {
        after.increased_at = Some(now);
    }
    if read < before.read || write < before.write {
        after.decreases = decreases(before, now)? + 1;
        after.decreased_at = Some(now);
    }
    Ok(after)
}

/// Decreases of this day so far, where one more is allowed.
fn decreases(before: Throughput, now: Timestamp) -> Result<i64, AwsError> {
    let Some(last) = before.decreased_at else { return Ok(0) };
    if last.0.div_euclid(DAY_MS) != now.0.div_euclid(DAY_MS) {
        return Ok(0);
    }
    match before.decreases >= FREE_DECREASES && now.0 - last.0 < HOUR_MS {
        true => Err(limit(format!(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a \
             given UTC day. After the first {FREE_DECREASES} decreases, each subsequent decrease in \
             the same UTC day can be performed at most once every 3600 seconds. Number of \
             decreases today: {}. Last decrease at {}.",
            before.decreases,
            last.iso()
        ))),
        false => Ok(before.decreases),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_decrease_of_a_day_waits_for_an_hour() {
        let day = Timestamp(1_800_000_000_000);
        let mut units = Throughput { read: 100, write: 100, ..Throughput::default() };
        for minute in 1..=4 {
            let at = Timestamp(day.0 + minute * 60_000);
            units = changed(units, (100 - minute, 100), at, false, "table", "t").unwrap();
            assert_eq!(units.decreases, minute);
        }
        let soon = Timestamp(day.0 + 10 * 60_000);
        let refused = changed(units, (1, 100), soon, false, "table", "t").unwrap_err();
        assert_eq!(refused.name(), "LimitExceededException");
        assert!(changed(units, (100, 100), soon, false, "table", "t").is_ok(), "an increase");
        let later = Timestamp(soon.0 + HOUR_MS);
        assert_eq!(changed(units, (1, 100), later, false, "table", "t").unwrap().decreases, 5);
        let tomorrow = Timestamp(soon.0 + DAY_MS);
        assert_eq!(changed(units, (1, 100), tomorrow, false, "table", "t").unwrap().decreases, 1);
        let same = changed(units, (96, 100), soon, false, "table", "t").unwrap_err();
        assert_eq!(same.name(), "ValidationException");
    }
}
