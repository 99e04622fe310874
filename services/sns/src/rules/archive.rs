//! Policies of FIFO topics' archives, and of subscriptions that want messages out of them again.
//!
//! AWS docs: *Amazon SNS Developer Guide > Message archiving and replay for FIFO topics*.

use std::time::Duration;

use haar_types::Timestamp;
use haar_wire::AwsError;
use serde_json::Value;

use crate::refusal::invalid;

/// Most days that messages stay.
const DAYS_MAX: u64 = 365;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a subscription wants again: from when on, and to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
}

/// How long an archive keeps messages; `None` where there is to be none.
pub(crate) fn kept_for(policy: &str) -> Result<Option<Duration>, AwsError> {
    let refused = |reason: &str| invalid(format!("ArchivePolicy Reason: {reason}"));
    let Some(policy) = map_of(policy).map_err(|()| refused("failed to parse JSON"))? else {
        return Ok(None);
    };
    let days = match policy.get("MessageRetentionPeriod") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64(),
        None => None,
    };
    let days = days.filter(|days| (1..=DAYS_MAX).contains(days) && policy.len() == 1);
    let text = "MessageRetentionPeriod must be an integer between 1 and 365";
    let days = days.ok_or_else(|| refused(text))?;
    Ok(Some(DAY * u32::try_from(days).unwrap_or(u32::MAX)))
}

/// What a replay policy asks for; `None` where nothing is to be replayed any more.
pub(crate) fn wanted(policy: &str) -> Result<Option<Wanted>, AwsError> {
    let refused = |reason: &str| invalid(format!("ReplayPolicy Reason: {reason}"));
    let Some(policy) = map_of(policy).map_err(|()| refused("failed to parse JSON"))? else {
        return Ok(None);
    };
    if policy.get("PointType").and_then(Value::as_str) != Some("Timestamp") {
        return Err(refused("PointType must be Timestamp"));
    }
    let at = |name: &str| match policy.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().and_then(read_time).map(Some).ok_or_else(|| {
            refused(&format!("{name} must be a timestamp such as 2027-01-15T08:00:00.000Z"))
        }),
    };
    let from = at("StartingPoint")?.ok_or_else(|| refused("StartingPoint is missing"))?;
    let to = at("EndingPoint")?;
    if to.is_some_and(|to| to <= from) {
        return Err(refused("EndingPoint must be after StartingPoint"));
    }
    Ok(Some(Wanted { from, to }))
}

fn map_of(policy: &str) -> Result<Option<serde_json::Map<String, Value>>, ()> {
    if policy.trim().is_empty() {
        return Ok(None);
    }
    match serde_json::from_str(policy) {
        Ok(Value::Object(map)) => Ok((!map.is_empty()).then_some(map)),
        _ => Err(()),
    }
}

fn read_time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_keeps_messages_for_days() {
        let policy = r#"{"MessageRetentionPeriod":"30"}"#;
        assert_eq!(kept_for(policy).unwrap(), Some(DAY * 30));
        assert_eq!(kept_for(r#"{"MessageRetentionPeriod":365}"#).unwrap(), Some(DAY * 365));
        assert_eq!((kept_for("").unwrap(), kept_for("{}").unwrap()), (None, None));
        for bad in [r#"{"MessageRetentionPeriod":"366"}"#, r#"{"Days":"1"}"#, "[]", "{"] {
            assert_eq!(kept_for(bad).unwrap_err().code(), "InvalidParameter", "{bad}");
        }
    }

    #[test]
    fn a_replay_is_from_a_time_on_and_may_end() {
        let policy = r#"{"PointType":"Timestamp","StartingPoint":"1970-01-01T00:00:01Z"}"#;
        let wanted_all = Wanted { from: Timestamp(1000), to: None };
        assert_eq!(wanted(policy).unwrap(), Some(wanted_all));
        assert_eq!(wanted("{}").unwrap(), None);
        for bad in [
            r#"{"StartingPoint":"1970-01-01T00:00:01Z"}"#,
            r#"{"PointType":"Timestamp"}"#,
            r#"{"PointType":"Timestamp","StartingPoint":"soon"}"#,
            r#"{"PointType":"Timestamp","StartingPoint":"1970-01-01T00:00:01Z",
                "EndingPoint":"1970-01-01T00:00:01Z"}"#,
        ] {
            assert_eq!(wanted(bad).unwrap_err().code(), "InvalidParameter", "{bad}");
        }
    }
}
