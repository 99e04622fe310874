//! Functions that choose among values: `IF`, `SLICE`, `SORT`.

use super::aggregate::sum_up;
use super::{Series, Value};

/// `IF(condition, yes, no)`; without `no`, points where the condition fails are left out.
pub(crate) fn choose(condition: &Value, yes: &Value, no: Option<&Value>) -> Option<Value> {
    match condition {
        Value::Scalar(condition) if *condition != 0.0 => Some(yes.clone()),
        Value::Scalar(_) => match (no, yes) {
            (Some(no), _) => Some(no.clone()),
            (None, Value::One(series)) => Some(Value::One(series.with([]))),
            (None, _) => None,
        },
        Value::One(condition) => choose_each(condition, yes, no),
        Value::Many(list) => {
            let chosen = list.iter().map(|condition| choose_each(condition, yes, no));
            let chosen: Option<Vec<Value>> = chosen.collect();
            let series = chosen?.into_iter().filter_map(Value::into_series).flatten();
            Some(Value::Many(series.collect()))
        }
        Value::Text(_) => None,
    }
}

fn choose_each(condition: &Series, yes: &Value, no: Option<&Value>) -> Option<Value> {
    if let Value::Many(list) = yes {
        let chosen: Option<Vec<Value>> =
            list.iter().map(|yes| choose_each(condition, &Value::One(yes.clone()), no)).collect();
        let series = chosen?.into_iter().filter_map(Value::into_series).flatten();
        return Some(Value::Many(series.collect()));
    }
    if [Some(yes), no].into_iter().flatten().any(|v| matches!(v, Value::Text(_) | Value::Many(_))) {
        return None;
    }
    let value_at = |value: &Value, at: i64| match value {
        Value::Scalar(value) => Some(*value),
        Value::One(series) => series.points.get(&at).copied(),
        Value::Many(_) | Value::Text(_) => None,
    };
    let points = condition.points.iter().filter_map(|(at, truth)| {
        let chosen = if *truth != 0.0 { Some(yes) } else { no };
        chosen.and_then(|value| value_at(value, *at)).map(|value| (*at, value))
    });
    let shape = if let Value::One(series) = yes { series } else { condition };
    Some(Value::One(shape.with(points.collect::<Vec<_>>())))
}

/// `SLICE(list, start[, end])`: a part of a list; with one bound the list from it on.
pub(crate) fn slice(list: &[Series], bounds: &[Value]) -> Option<Value> {
    let (start, end) = match bounds {
        [Value::Scalar(start)] => (*start, list.len() as f64),
        [Value::Scalar(start), Value::Scalar(end)] => (*start, *end),
        _ => return None,
    };
    // Negative bounds saturate to zero.
    let (start, end) = (start as usize, (end as usize).min(list.len()));
    Some(Value::Many(list.get(start..end).unwrap_or_default().to_vec()))
}

/// `SORT(list, AVG|MIN|MAX|SUM, ASC|DESC[, count])`.
pub(crate) fn sort(list: &[Series], how: &[Value]) -> Option<Value> {
    let [Value::Text(figure), Value::Text(order), count @ ..] = how else { return None };
    let mut keyed: Vec<(f64, &Series)> = list
        .iter()
        .map(|series| {
            let values: Vec<f64> = series.points.values().copied().collect();
            (sum_up(figure, &values), series)
        })
        .collect();
    // Series without points have no figure and come last in either order.
    keyed.sort_by(|(left, _), (right, _)| {
        let ordered = if order == "DESC" { right.total_cmp(left) } else { left.total_cmp(right) };
        left.is_nan().cmp(&right.is_nan()).then(ordered)
    });
    let count = match count {
        [] => keyed.len(),
        [Value::Scalar(count)] => *count as usize,
        _ => return None,
    };
    Some(Value::Many(keyed.into_iter().take(count).map(|(_, series)| series.clone()).collect()))
}
