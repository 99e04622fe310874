//! Functions of the points in time themselves, in UTC.

use haar_types::Timestamp;

use super::Series;

/// `MINUTE`, `HOUR`, `DAY` (Monday is 1), `DATE`, `MONTH`, `YEAR`, `EPOCH` of each point.
pub(crate) fn part(name: &str, series: &Series) -> Series {
    let directive = match name {
        "MINUTE" => "%M",
        "HOUR" => "%H",
        "DAY" => "%u",
        "DATE" => "%d",
        "MONTH" => "%m",
        "YEAR" => "%Y",
        _ => "%s",
    };
    series.with(series.points.keys().map(|at| {
        let text = Timestamp(at * 1000).strftime(directive);
        (*at, text.parse().unwrap_or(f64::NAN))
    }))
}
