//! Points in time and special doubles as text.

use std::time::{Duration, UNIX_EPOCH};

use haar_types::Timestamp;
use jiff::fmt::rfc2822;

use crate::schema::TimestampFormat;

/// Writes a point in time.
pub(crate) fn write(at: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::EpochSeconds if at.0 % 1000 == 0 => at.seconds().to_string(),
        TimestampFormat::EpochSeconds => at.seconds_f64().to_string(),
        TimestampFormat::DateTime => at.iso(),
        TimestampFormat::HttpDate => http_date(at),
    }
}

fn http_date(at: Timestamp) -> String {
    const YEAR_2200: i64 = 7_258_118_400;
    match u64::try_from(at.seconds()) {
        // several times as fast, within the years that it knows
        Ok(seconds) if at.seconds() < YEAR_2200 => {
            httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
        }
        _ => at.strftime("%a, %d %b %Y %H:%M:%S GMT"),
    }
}

/// Reads a point in time in any of AWS's formats.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds.is_finite().then(|| from_seconds(seconds));
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    // Without an offset, UTC is meant.
    if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
        let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(Timestamp(at.timestamp().as_millisecond()));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp(at.as_millisecond()))
}

/// Seconds since 1970 with their fraction; what lies beyond the years that have a name is moved
/// to the last of them, so that times can be added and compared without overflow.
pub(crate) fn from_seconds(seconds: f64) -> Timestamp {
    let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
    let millis = (seconds * 1000.0).round() as i64;
    Timestamp(millis.clamp(first.as_millisecond(), last.as_millisecond()))
}

/// The doubles that JSON has no number for.
pub(crate) fn special_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
