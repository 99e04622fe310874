//! Operators between numbers, series and lists of series.

use super::expression::Operator;
use super::{MathError, Value};

/// What an operator makes of two values.
///
/// Series meet at the points in time that both have; lists of series pair one to one.
pub(crate) fn combine(operator: Operator, left: Value, right: Value) -> Result<Value, MathError> {
    let apply = |left: f64, right: f64| operator.apply(left, right);
    let refused = || MathError::Operands(operator.sign().to_owned());
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(apply(left, right))),
        (Value::Scalar(left), right) => right.map(|right| apply(left, right)).ok_or_else(refused),
        (left, Value::Scalar(right)) => left.map(|left| apply(left, right)).ok_or_else(refused),
        (Value::One(left), Value::One(right)) => Ok(Value::One(left.zip(&right, apply))),
        (Value::One(left), Value::Many(right)) => {
            let zipped = right.iter().map(|right| {
                let zipped = left.zip(right, apply);
                super::Series { label: right.label.clone(), ..zipped }
            });
            Ok(Value::Many(zipped.collect()))
        }
        (Value::Many(left), Value::One(right)) => {
            Ok(Value::Many(left.iter().map(|left| left.zip(&right, apply)).collect()))
        }
        (Value::Many(left), Value::Many(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(&right);
            Ok(Value::Many(pairs.map(|(left, right)| left.zip(right, apply)).collect()))
        }
        _ => Err(refused()),
    }
}
