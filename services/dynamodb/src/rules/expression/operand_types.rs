//! What operands must be, as far as expressions tell without an item.

use super::super::value::{Attr, Kind};
use super::ast::{Comparator, Operand};

/// The type of a value that is given in the expression.
fn given(operand: &Operand) -> Option<Kind> {
    match operand {
        Operand::Value(value) => Some(value.kind()),
        Operand::Size(_) => Some(Kind::N),
        Operand::Path(_) => None,
    }
}

/// An operand of a type that an operator or function does not take.
pub(super) fn incorrect(operator: &str, kind: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, \
         operand type: {kind}"
    )
}

fn ordered(operator: &str, operand: &Operand) -> Result<(), String> {
    match given(operand) {
        Some(kind) if !kind.is_key() => Err(incorrect(operator, kind.code())),
        _ => Ok(()),
    }
}

/// Both sides of a comparison.
pub(super) fn compared(
    comparator: Comparator,
    left: &Operand,
    right: &Operand,
) -> Result<(), String> {
    distinct(comparator.symbol(), left, right)?;
    if matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        return Ok(());
    }
    ordered(comparator.symbol(), left)?;
    ordered(comparator.symbol(), right)
}

/// A comparison of a path with itself says nothing.
pub(super) fn distinct(operator: &str, left: &Operand, right: &Operand) -> Result<(), String> {
    match (left, right) {
        (Operand::Path(path), Operand::Path(other)) if path == other => Err(format!(
            "The first operand must be distinct from the remaining operands for this operator or \
             function; operator: {operator}, first operand: {path}"
        )),
        _ => Ok(()),
    }
}

/// The operands of `BETWEEN`.
pub(super) fn between(value: &Operand, low: &Operand, high: &Operand) -> Result<(), String> {
    for operand in [value, low, high] {
        ordered("BETWEEN", operand)?;
    }
    let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return Ok(()) };
    let bounds = format!(
        "lower bound operand: AttributeValue: {{{}}}, upper bound operand: AttributeValue: {{{}}}",
        shown(low),
        shown(high)
    );
    match low.order(high) {
        None => Err(format!(
            "The BETWEEN operator requires same data type for lower and upper bounds; {bounds}"
        )),
        Some(std::cmp::Ordering::Greater) => Err(format!(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
             {bounds}"
        )),
        Some(_) => Ok(()),
    }
}

fn shown(value: &Attr) -> String {
    match value {
        Attr::S(text) => format!("S:{text}"),
        Attr::N(number) => format!("N:{number}"),
        other => other.kind().code().to_owned(),
    }
}

/// The operands of `begins_with`.
pub(super) fn begins(first: &Operand, second: &Operand) -> Result<(), String> {
    for operand in [first, second] {
        if let Some(kind) = given(operand).filter(|kind| !matches!(kind, Kind::S | Kind::B)) {
            return Err(incorrect("begins_with", kind.code()));
        }
    }
    distinct("begins_with", first, second)
}

/// The operand of `size`.
pub(super) fn sized(operand: &Operand) -> Result<(), String> {
    match given(operand) {
        Some(kind @ (Kind::N | Kind::Bool | Kind::Null)) => Err(incorrect("size", kind.code())),
        _ => Ok(()),
    }
}
