//! Retention periods and record sizes. AWS docs: *Kinesis Data Streams > Changing the data
//! retention period*.

use haar_wire::AwsError;

use crate::refusal::invalid_argument;

/// The shortest, which is the default too.
pub(crate) const HOURS_MIN: i32 = 24;
/// The longest: a year.
pub(crate) const HOURS_MAX: i32 = 8760;

/// Refuses periods that are no longer than the present one, or out of bounds.
pub(crate) fn check_increase(stream: &str, present: i32, asked: i32) -> Result<(), AwsError> {
    check_bounds(asked)?;
    if asked < present {
        return Err(invalid_argument(format!(
            "Requested retention period ({asked} hours) for stream {stream} can not be shorter \
             than existing retention period ({present} hours). Use DecreaseRetentionPeriod API."
        )));
    }
    Ok(())
}

/// Refuses periods that are no shorter than the present one, or out of bounds.
pub(crate) fn check_decrease(stream: &str, present: i32, asked: i32) -> Result<(), AwsError> {
    check_bounds(asked)?;
    if asked > present {
        return Err(invalid_argument(format!(
            "Requested retention period ({asked} hours) for stream {stream} can not be longer \
             than existing retention period ({present} hours). Use IncreaseRetentionPeriod API."
        )));
    }
    Ok(())
}

fn check_bounds(asked: i32) -> Result<(), AwsError> {
    if asked < HOURS_MIN {
        return Err(invalid_argument(format!(
            "Minimum allowed retention period is {HOURS_MIN} hours. Requested retention period \
             ({asked} hours) is too short."
        )));
    }
    if asked > HOURS_MAX {
        return Err(invalid_argument(format!(
            "Maximum allowed retention period is {HOURS_MAX} hours. Requested retention period \
             ({asked} hours) is too long."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_goes_the_way_that_its_operation_says_and_stays_within_a_day_and_a_year() {
        assert!(check_increase("s", 24, 48).is_ok() && check_increase("s", 48, 48).is_ok());
        assert!(check_increase("s", 48, 24).is_err());
        assert!(check_decrease("s", 48, 24).is_ok());
        assert!(check_decrease("s", 24, 48).is_err());
        for asked in [0, 23, 8761] {
            assert!(check_increase("s", 24, asked).is_err());
            assert!(check_decrease("s", 8760, asked).is_err());
        }
    }
}
