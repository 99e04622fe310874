//! When a schedule runs.

use std::time::Duration;

use haar_schedule::{BadSchedule, Kind, Schedule, Zone};
use haar_scheduler_contract::model::{FlexibleTimeWindow, FlexibleTimeWindowMode};
use haar_timetable::Entry;
use haar_types::Timestamp;

use crate::state::ScheduleRow;

/// Reads expression and time zone.
///
/// # Errors
/// The text of a `ValidationException`.
pub(crate) fn read(expression: &str, timezone: Option<&str>) -> Result<Schedule, String> {
    let zone = timezone.map_or_else(|| Ok(Zone::utc()), Zone::find);
    let schedule = zone.and_then(|zone| Schedule::in_zone(expression, zone));
    schedule.map_err(|error| match error {
        BadSchedule::Expression => format!("Invalid Schedule Expression {expression}."),
        BadSchedule::Zone => {
            format!("Invalid ScheduleExpressionTimezone {}.", timezone.unwrap_or_default())
        }
    })
}

/// How far back a schedule may begin.
const START_AGO_MAX: Duration = Duration::from_secs(5 * 60);

/// Judges a start date that is new.
///
/// # Errors
/// The text of a `ValidationException`.
pub(crate) fn check_start(start: Option<Timestamp>, now: Timestamp) -> Result<(), String> {
    match start.is_some_and(|start| start + START_AGO_MAX < now) {
        true => Err("The StartDate you specify cannot be earlier than 5 minutes ago.".to_owned()),
        false => Ok(()),
    }
}

/// Judges the times around an expression.
///
/// # Errors
/// The text of a `ValidationException`.
pub(crate) fn check(
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    window: &FlexibleTimeWindow,
    now: Timestamp,
) -> Result<(), String> {
    if end.is_some_and(|end| end <= now) {
        return Err("The EndDate you specify must be in the future.".to_owned());
    }
    if start.zip(end).is_some_and(|(start, end)| start >= end) {
        return Err("The StartDate must come before the EndDate.".to_owned());
    }
    match (window.mode, window.maximum_window_in_minutes) {
        (FlexibleTimeWindowMode::Off, Some(_)) => {
            Err("MaximumWindowInMinutes must not be set when FlexibleTimeWindow is OFF.".to_owned())
        }
        (FlexibleTimeWindowMode::Flexible, None) => {
            Err("MaximumWindowInMinutes must be set when FlexibleTimeWindow is FLEXIBLE."
                .to_owned())
        }
        _ => Ok(()),
    }
}

/// A row's place in the timetable. A rate begins at its start date, at once without one; dates
/// are of no account to what comes once.
pub(crate) fn entry(row: &ScheduleRow) -> Option<Entry> {
    let schedule = read(&row.expression, row.timezone.as_deref()).ok()?;
    let begins = row.start.map_or(row.runs_from, |start| start.max(row.runs_from));
    let just_before = |at: Timestamp| Timestamp(at.0 - 1);
    let (anchor, after, until) = match schedule.kind() {
        Kind::Rate(_) => {
            // Its rhythm is that of the start date, also where it is enabled later.
            (row.start.unwrap_or(row.runs_from), just_before(begins), row.end)
        }
        Kind::Cron => (begins, just_before(begins), row.end),
        Kind::Once => (row.runs_from, just_before(row.runs_from), None),
    };
    let minutes = row.window.maximum_window_in_minutes.and_then(|minutes| minutes.try_into().ok());
    let version = format!(
        "{} {} {}",
        row.runs_from.0,
        row.expression,
        row.timezone.as_deref().unwrap_or_default()
    );
    Some(Entry {
        schedule,
        version: version.into_bytes(),
        anchor,
        after,
        until,
        window: Duration::from_secs(60 * minutes.unwrap_or(0)),
    })
}
