//! `FILL`: values for the points in time that a series lacks.

use super::{Series, Value};

/// The value for a point in time that a series lacks.
type Method<'a> = dyn Fn(&Series, i64) -> Option<f64> + 'a;

/// Fills gaps with a number, with another series (or its first value), with the last value
/// (`REPEAT`), or on a straight line between neighbours (`LINEAR`).
pub(crate) fn fill(value: &Value, filler: &Value, range: (i64, i64)) -> Option<Value> {
    if matches!(value, Value::Scalar(_)) {
        return None;
    }
    let method: Box<Method<'_>> = match filler {
        Value::Scalar(number) => {
            let number = *number;
            Box::new(move |_, _| Some(number))
        }
        Value::One(other) => Box::new(|_, at| other.points.get(&at).copied()),
        Value::Text(word) if word == "REPEAT" => Box::new(repeat),
        Value::Text(word) if word == "LINEAR" => Box::new(linear),
        Value::Text(_) | Value::Many(_) => return None,
    };
    value.each_series(|series| fill_one(series, range, &method), |scalar| scalar)
}

fn fill_one(series: &Series, (start, end): (i64, i64), method: &Method<'_>) -> Series {
    let period = i64::from(series.period_s.max(1));
    // Points lie on the clock or, for odd periods, on the series' own grid.
    let offset = series.points.keys().next().map_or(0, |first| first.rem_euclid(period));
    let first = (start - offset).div_euclid(period) * period + offset;
    let first = if first < start { first + period } else { first };
    let missing = (first..end).step_by(series.period_s.max(1) as usize);
    let missing = missing.filter(|at| !series.points.contains_key(at));
    let filled: Vec<_> = missing.filter_map(|at| method(series, at).map(|v| (at, v))).collect();
    series.with(series.points.iter().map(|(at, value)| (*at, *value)).chain(filled))
}

fn repeat(series: &Series, at: i64) -> Option<f64> {
    series.points.range(..at).next_back().map(|(_, value)| *value)
}

fn linear(series: &Series, at: i64) -> Option<f64> {
    let (before, first) = series.points.range(..at).next_back()?;
    let (after, second) = series.points.range(at..).next()?;
    let share = (at - before) as f64 / (after - before) as f64;
    Some(first + share * (second - first))
}
