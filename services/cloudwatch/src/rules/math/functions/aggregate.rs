//! Functions that sum up series, and those that look from point to point.

use std::collections::BTreeMap;

use super::{Series, Value};

/// `AVG`, `MIN`, `MAX`, `SUM`, `STDDEV`: of a series one number, of a list one series.
/// Several arguments count as one list; numbers among them as numbers.
pub(crate) fn aggregate(name: &str, value: &Value, rest: &[Value]) -> Option<Value> {
    if rest.is_empty() {
        return match value {
            Value::One(series) => {
                let values: Vec<f64> = series.points.values().copied().collect();
                Some(Value::Scalar(sum_up(name, &values)))
            }
            Value::Many(list) => Some(Value::One(across(name, list))),
            Value::Scalar(value) => Some(Value::Scalar(sum_up(name, &[*value]))),
            Value::Text(_) => None,
        };
    }
    let all = std::iter::once(value).chain(rest);
    let scalars: Option<Vec<f64>> = all
        .clone()
        .map(|value| if let Value::Scalar(value) = value { Some(*value) } else { None })
        .collect();
    if let Some(scalars) = scalars {
        return Some(Value::Scalar(sum_up(name, &scalars)));
    }
    let mut list = Vec::new();
    for value in all {
        list.extend(value.clone().into_series()?);
    }
    Some(Value::One(across(name, &list)))
}

/// One figure of several numbers; NaN of none.
pub(crate) fn sum_up(name: &str, values: &[f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let (count, sum) = (values.len() as f64, values.iter().sum::<f64>());
    match name {
        "SUM" => sum,
        "MIN" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "MAX" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "STDDEV" => {
            let mean = sum / count;
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
        }
        _ => sum / count,
    }
}

fn across(name: &str, list: &[Series]) -> Series {
    let mut columns: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in list.iter().flat_map(|series| &series.points) {
        columns.entry(*at).or_default().push(*value);
    }
    let period_s = list.iter().map(|series| series.period_s).max().unwrap_or_default();
    let points = columns.into_iter().map(|(at, values)| (at, sum_up(name, &values)));
    Series { period_s, ..Series::default() }.with(points)
}

/// `DATAPOINT_COUNT`: how many points a series has; of a list, at each point in time.
pub(crate) fn datapoint_count(value: &Value) -> Option<Value> {
    match value {
        Value::One(series) => Some(Value::Scalar(series.points.len() as f64)),
        Value::Many(list) => {
            let ones: Vec<Series> = list.iter().map(|series| series.map(|_| 1.0)).collect();
            Some(Value::One(across("SUM", &ones)))
        }
        Value::Scalar(_) | Value::Text(_) => None,
    }
}

/// `RATE` (change per second), `DIFF` (change), `DIFF_TIME` (seconds since the last point).
pub(crate) fn steps(name: &str, series: &Series) -> Series {
    let later = series.points.iter().skip(1);
    let points = series.points.iter().zip(later).map(|((from, first), (to, second))| {
        let (time, change) = ((to - from) as f64, second - first);
        let value = match name {
            "RATE" => change / time,
            "DIFF" => change,
            _ => time,
        };
        (*to, value)
    });
    series.with(points.collect::<Vec<_>>())
}

/// Each point with all before it.
pub(crate) fn running_sum(series: &Series) -> Series {
    let sums = series.points.iter().scan(0.0, |sum, (at, value)| {
        *sum += value;
        Some((*at, *sum))
    });
    series.with(sums.collect::<Vec<_>>())
}
