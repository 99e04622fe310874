//! Evaluates expressions: names, operators and functions.

mod aggregate;
mod calendar;
mod fill;
mod select;

use super::operators::combine;
use super::{Expression, MathError, Scope, Series, Value};

/// The value of an expression.
pub(crate) fn evaluate(expression: &Expression, scope: &mut dyn Scope) -> Result<Value, MathError> {
    match expression {
        Expression::Number(value) => Ok(Value::Scalar(*value)),
        Expression::Text(text) => Ok(Value::Text(text.clone())),
        Expression::Name(name) => scope.variable(name),
        Expression::Negate(inner) => {
            let value = evaluate(inner, scope)?;
            value.map(|value| -value).ok_or_else(|| MathError::Operands("-".to_owned()))
        }
        Expression::Binary(operator, left, right) => {
            let left = evaluate(left, scope)?;
            combine(*operator, left, evaluate(right, scope)?)
        }
        Expression::List(items) => {
            let mut list = Vec::new();
            for item in items {
                let series = evaluate(item, scope)?.into_series();
                list.extend(series.ok_or_else(|| MathError::Operands("[]".to_owned()))?);
            }
            Ok(Value::Many(list))
        }
        Expression::Call(name, arguments) => call(name, arguments, scope),
    }
}

fn call(name: &str, raw: &[Expression], scope: &mut dyn Scope) -> Result<Value, MathError> {
    let mut arguments = Vec::new();
    for argument in raw {
        arguments.push(match argument {
            Expression::Name(word) if is_word(name, word) => Value::Text(word.clone()),
            other => evaluate(other, scope)?,
        });
    }
    let refused = || MathError::Arguments(name.to_owned());
    match (name, arguments.as_slice()) {
        ("ABS", [value]) => value.map(f64::abs).ok_or_else(refused),
        ("CEIL", [value]) => value.map(f64::ceil).ok_or_else(refused),
        ("FLOOR", [value]) => value.map(f64::floor).ok_or_else(refused),
        ("LOG", [value]) => value.map(f64::ln).ok_or_else(refused),
        ("LOG10", [value]) => value.map(f64::log10).ok_or_else(refused),
        ("AVG" | "MIN" | "MAX" | "SUM" | "STDDEV", [value, rest @ ..]) => {
            aggregate::aggregate(name, value, rest).ok_or_else(refused)
        }
        ("DATAPOINT_COUNT", [value]) => aggregate::datapoint_count(value).ok_or_else(refused),
        ("METRIC_COUNT", [Value::Many(list)]) => Ok(Value::Scalar(list.len() as f64)),
        ("PERIOD", [Value::One(series)]) => Ok(Value::Scalar(f64::from(series.period_s))),
        ("RATE" | "DIFF" | "DIFF_TIME", [value]) => {
            per_series(value, |series| aggregate::steps(name, series)).ok_or_else(refused)
        }
        ("RUNNING_SUM", [value]) => per_series(value, aggregate::running_sum).ok_or_else(refused),
        ("FILL", [value, filler]) if can_be_filled(value, scope.range()) => {
            fill::fill(value, filler, scope.range()).ok_or_else(refused)
        }
        ("TIME_SERIES", [Value::Scalar(value)]) if fits(scope.range(), scope.period_s()) => {
            Ok(Value::One(constant(*value, scope.range(), scope.period_s())))
        }
        ("IF", [condition, yes, rest @ ..]) if rest.len() <= 1 => {
            select::choose(condition, yes, rest.first()).ok_or_else(refused)
        }
        ("FIRST" | "LAST", [Value::Many(list)]) => {
            let found = if name == "FIRST" { list.first() } else { list.last() };
            found.cloned().map(Value::One).ok_or_else(refused)
        }
        ("REMOVE_EMPTY", [Value::Many(list)]) => {
            let kept = list.iter().filter(|series| !series.points.is_empty());
            Ok(Value::Many(kept.cloned().collect()))
        }
        ("SLICE", [Value::Many(list), bounds @ ..]) => {
            select::slice(list, bounds).ok_or_else(refused)
        }
        ("SORT", [Value::Many(list), how @ ..]) => select::sort(list, how).ok_or_else(refused),
        ("METRICS", filter) => metrics(filter, scope),
        ("SEARCH", [Value::Text(terms), Value::Text(stat), rest @ ..]) => {
            let period_s = match rest {
                [] => scope.period_s(),
                [Value::Scalar(period_s)] if *period_s >= 1.0 => *period_s as u32,
                _ => return Err(refused()),
            };
            scope.search(terms, stat, period_s).map(Value::Many)
        }
        ("MINUTE" | "HOUR" | "DAY" | "DATE" | "MONTH" | "YEAR" | "EPOCH", [value]) => {
            per_series(value, |series| calendar::part(name, series)).ok_or_else(refused)
        }
        _ if is_function(name) => Err(refused()),
        _ => Err(MathError::Function(name.to_owned())),
    }
}

/// Words that stand for themselves among a function's arguments.
fn is_word(function: &str, word: &str) -> bool {
    match function {
        "FILL" => matches!(word, "REPEAT" | "LINEAR"),
        "SORT" => matches!(word, "AVG" | "MIN" | "MAX" | "SUM" | "ASC" | "DESC"),
        _ => false,
    }
}

fn is_function(name: &str) -> bool {
    const NAMES: &str = " ABS AVG CEIL DATAPOINT_COUNT DATE DAY DIFF DIFF_TIME EPOCH FILL FIRST \
        FLOOR HOUR IF LAST LOG LOG10 MAX METRICS METRIC_COUNT MIN MINUTE MONTH PERIOD RATE \
        REMOVE_EMPTY RUNNING_SUM SEARCH SLICE SORT STDDEV SUM TIME_SERIES YEAR ";
    NAMES.contains(&format!(" {name} "))
}

fn per_series(value: &Value, each: impl Fn(&Series) -> Series) -> Option<Value> {
    match value {
        Value::Scalar(_) => None,
        value => value.each_series(each, |scalar| scalar),
    }
}

/// Most points of a series that an expression makes from nothing: as many as one answer has.
const POINT_COUNT_MAX: i64 = 100_800;

fn fits((start, end): (i64, i64), period_s: u32) -> bool {
    end.saturating_sub(start) / i64::from(period_s.max(1)) <= POINT_COUNT_MAX
}

fn can_be_filled(value: &Value, range: (i64, i64)) -> bool {
    match value {
        Value::One(series) => fits(range, series.period_s),
        Value::Many(list) => list.iter().all(|series| fits(range, series.period_s)),
        Value::Scalar(_) | Value::Text(_) => true,
    }
}

fn constant(value: f64, (start, end): (i64, i64), period_s: u32) -> Series {
    let points = (start..end).step_by(period_s.max(1) as usize).map(|at| (at, value));
    Series { period_s, ..Series::default() }.with(points)
}

/// `METRICS()` and `METRICS("errors")`: all metrics of the request, or those with the text in
/// their id.
fn metrics(filter: &[Value], scope: &mut dyn Scope) -> Result<Value, MathError> {
    let text = match filter {
        [] => "",
        [Value::Text(text)] => text,
        _ => return Err(MathError::Arguments("METRICS".to_owned())),
    };
    let mut list = Vec::new();
    for id in scope.metric_ids().into_iter().filter(|id| id.contains(text)) {
        list.extend(scope.variable(&id)?.into_series().unwrap_or_default());
    }
    Ok(Value::Many(list))
}
