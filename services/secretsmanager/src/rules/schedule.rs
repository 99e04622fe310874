//! When secrets are rotated. AWS docs: *Secrets Manager User Guide > Rotation schedules*.

mod cron;

use std::time::Duration;

use haar_secretsmanager_contract::RotationRulesType;
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use crate::refusal::invalid;
use cron::Cron;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// `rate(4 hours)` is the most often that there is, `rate(999 days)` the most seldom.
const HOURS_MIN: u32 = 4;
const DAYS_MAX: u32 = 999;

/// As given, and known to make sense.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    pub(crate) after_days: Option<u32>,
    pub(crate) expression: Option<String>,
    pub(crate) duration: Option<String>,
}

impl Rules {
    /// Reads what a request brings.
    pub(crate) fn read(given: &RotationRulesType) -> Result<Self, AwsError> {
        if given.automatically_after_days.is_some() && given.schedule_expression.is_some() {
            return Err(invalid(
                "You can't specify both AutomaticallyAfterDays and ScheduleExpression.",
            ));
        }
        let after_days = given.automatically_after_days.and_then(|days| u32::try_from(days).ok());
        if let Some(text) = &given.schedule_expression
            && Schedule::parse(text).is_none()
        {
            return Err(invalid(format!("The ScheduleExpression {text} isn't valid.")));
        }
        Ok(Self {
            after_days,
            expression: given.schedule_expression.clone(),
            duration: given.duration.clone(),
        })
    }

    /// When the next rotation begins: after the one before, or by the calendar.
    pub(crate) fn next(&self, last: Timestamp) -> Option<Timestamp> {
        if let Some(days) = self.after_days {
            return Some(last + DAY * days);
        }
        match Schedule::parse(self.expression.as_deref()?)? {
            Schedule::Rate(every) => Some(last + every),
            Schedule::Cron(cron) => cron.next(last),
        }
    }

    /// As answers show them.
    pub(crate) fn shown(&self) -> RotationRulesType {
        RotationRulesType {
            automatically_after_days: self.after_days.map(i64::from),
            duration: self.duration.clone(),
            schedule_expression: self.expression.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Schedule {
    Rate(Duration),
    Cron(Cron),
}

impl Schedule {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('(')?;
        let inside = rest.strip_suffix(')')?;
        match kind {
            "rate" => Some(Self::Rate(rate(inside)?)),
            "cron" => Some(Self::Cron(Cron::parse(inside)?)),
            _ => None,
        }
    }
}

/// `4 hours`, `1 day`, `10 days`.
fn rate(text: &str) -> Option<Duration> {
    let (count, unit) = text.trim().split_once(' ')?;
    let count: u32 = count.parse().ok()?;
    match unit {
        "hour" | "hours" if count >= HOURS_MIN => Some(HOUR * count),
        "day" | "days" if (1..=DAYS_MAX).contains(&count) => Some(DAY * count),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn the_next_rotation_is_counted_from_the_last() {
        let next = |expression: &str| {
            let expression = Some(expression.to_owned());
            Rules { expression, ..Rules::default() }.next(LAST)
        };
        assert_eq!(
            Rules { after_days: Some(30), ..Rules::default() }.next(LAST),
            Some(LAST + DAY * 30)
        );
        assert_eq!(next("rate(10 days)"), Some(LAST + DAY * 10));
        assert_eq!(next("rate(4 hours)"), Some(LAST + HOUR * 4));
        for bad in ["rate(3 hours)", "rate(0 days)", "rate(1000 days)", "rate(5 minutes)", "at(1)"]
        {
            assert_eq!(next(bad), None, "{bad}");
        }
        assert_eq!(Rules::default().next(LAST), None);
    }
}
