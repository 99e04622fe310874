//! Parameters from before expressions: `Expected`, `KeyConditions`, `QueryFilter`, `ScanFilter`,
//! `AttributeUpdates`. AWS docs: *Developer Guide > Legacy conditional parameters*.

use std::collections::BTreeMap;

use haar_dynamodb_contract::Condition as WireCondition;
use haar_dynamodb_contract::{
    AttributeAction, AttributeValue, AttributeValueUpdate, ComparisonOperator, ConditionalOperator,
    ExpectedAttributeValue,
};
use haar_wire::AwsError;

use super::expression::ast::{Clause, Comparator, Condition, Operand, Source};
use super::expression::path::Path;
use super::key_condition::{Part, RangeCondition};
use super::value::{Attr, Kind};
use crate::convert;
use crate::refusal::{invalid, invalid_parameter};

/// Refuses a request that has both kinds of parameters.
pub(crate) fn not_both(
    legacy: &[(&str, bool)],
    expressions: &[(&str, bool)],
) -> Result<(), AwsError> {
    let named = |all: &[(&str, bool)]| {
        let given: Vec<&str> =
            all.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        (!given.is_empty()).then(|| given.join(", "))
    };
    match (named(legacy), named(expressions)) {
        (Some(legacy), Some(expressions)) => Err(invalid(format!(
            "Can not use both expression and non-expression parameters in the same request: \
             Non-expression parameters: {{{legacy}}} Expression parameters: {{{expressions}}}"
        ))),
        _ => Ok(()),
    }
}

/// `Expected` as a condition.
pub(crate) fn expected(
    all: BTreeMap<String, ExpectedAttributeValue>,
    joined: Option<ConditionalOperator>,
) -> Result<Option<Condition>, AwsError> {
    let mut conditions = Vec::new();
    for (name, expected) in all {
        conditions.push(expectation(&name, expected)?);
    }
    Ok(join(conditions, joined))
}

fn expectation(name: &str, expected: ExpectedAttributeValue) -> Result<Condition, AwsError> {
    let ExpectedAttributeValue { value, exists, comparison_operator, attribute_value_list } =
        expected;
    let wrong = |text: &str| invalid_parameter(format!("{text} for Attribute: {name}"));
    if let Some(operator) = comparison_operator {
        if exists.is_some() {
            return Err(wrong("Exists and ComparisonOperator cannot be used together"));
        }
        let values = match (value, attribute_value_list) {
            (Some(_), Some(_)) => {
                return Err(wrong("Value and AttributeValueList cannot be used together"));
            }
            (Some(value), None) => vec![*value],
            (None, list) => list.unwrap_or_default(),
        };
        return compared(name, operator, values);
    }
    if attribute_value_list.is_some() {
        return Err(wrong("AttributeValueList can only be used with a ComparisonOperator"));
    }
    match (exists, value) {
        (Some(false), Some(_)) => Err(wrong("Value cannot be used when Exists is false")),
        (Some(false), None) => Ok(Condition::NotExists(Path::top(name))),
        (_, Some(value)) => compared(name, ComparisonOperator::Eq, vec![*value]),
        (Some(true), None) => Err(wrong("Value must be provided when Exists is true")),
        (None, None) => Err(wrong("Value must be provided when Exists is null")),
    }
}

/// Filters as a condition.
pub(crate) fn filter(
    all: BTreeMap<String, WireCondition>,
    joined: Option<ConditionalOperator>,
) -> Result<Option<Condition>, AwsError> {
    let mut conditions = Vec::new();
    for (name, condition) in all {
        let values = condition.attribute_value_list.unwrap_or_default();
        conditions.push(compared(&name, condition.comparison_operator, values)?);
    }
    Ok(join(conditions, joined))
}

fn join(all: Vec<Condition>, joined: Option<ConditionalOperator>) -> Option<Condition> {
    all.into_iter().reduce(|one, other| match joined {
        Some(ConditionalOperator::Or) => Condition::Or(Box::new(one), Box::new(other)),
        _ => Condition::And(Box::new(one), Box::new(other)),
    })
}

/// `KeyConditions`, attribute by attribute.
pub(crate) fn key_conditions(all: BTreeMap<String, WireCondition>) -> Result<Vec<Part>, AwsError> {
    let mut parts = Vec::new();
    for (name, condition) in all {
        let operator = condition.comparison_operator;
        let values = read(operator, condition.attribute_value_list.unwrap_or_default())?;
        let mut values = values.into_iter();
        let first = values.next().ok_or_else(|| miscounted(operator))?;
        let condition = match (operator, values.next()) {
            (ComparisonOperator::Between, Some(high)) => RangeCondition::Between(first, high),
            (ComparisonOperator::BeginsWith, _) => RangeCondition::BeginsWith(first),
            _ => match comparator(operator) {
                Some(Comparator::NotEqual) | None => {
                    return Err(invalid(
                        "Attempted conditional constraint is not an indexable operation",
                    ));
                }
                Some(comparator) => RangeCondition::Compare(comparator, first),
            },
        };
        parts.push(Part { name, condition });
    }
    Ok(parts)
}

fn comparator(operator: ComparisonOperator) -> Option<Comparator> {
    Some(match operator {
        ComparisonOperator::Eq => Comparator::Equal,
        ComparisonOperator::Ne => Comparator::NotEqual,
        ComparisonOperator::Le => Comparator::LessOrEqual,
        ComparisonOperator::Lt => Comparator::Less,
        ComparisonOperator::Ge => Comparator::GreaterOrEqual,
        ComparisonOperator::Gt => Comparator::Greater,
        _ => return None,
    })
}

fn miscounted(operator: ComparisonOperator) -> AwsError {
    invalid_parameter(format!(
        "Invalid number of argument(s) for the {operator} ComparisonOperator"
    ))
}

/// Values of the number and the types that an operator takes.
fn read(operator: ComparisonOperator, values: Vec<AttributeValue>) -> Result<Vec<Attr>, AwsError> {
    use ComparisonOperator as Op;
    let wanted = match operator {
        Op::Null | Op::NotNull => 0..=0,
        Op::Between => 2..=2,
        Op::In => 1..=100,
        _ => 1..=1,
    };
    if !wanted.contains(&values.len()) {
        return Err(miscounted(operator));
    }
    let values = values.into_iter().map(convert::attr).collect::<Result<Vec<_>, _>>()?;
    let fits = |kind: Kind| match operator {
        Op::Le | Op::Lt | Op::Ge | Op::Gt | Op::Between | Op::In => kind.is_key(),
        Op::Contains | Op::NotContains => kind.is_key() || kind == Kind::Bool || kind == Kind::Null,
        Op::BeginsWith => matches!(kind, Kind::S | Kind::B),
        _ => true,
    };
    match values.iter().find(|value| !fits(value.kind())) {
        Some(value) => Err(invalid_parameter(format!(
            "ComparisonOperator {operator} is not valid for {} AttributeValue type",
            value.kind().code()
        ))),
        None => Ok(values),
    }
}

fn compared(
    name: &str,
    operator: ComparisonOperator,
    values: Vec<AttributeValue>,
) -> Result<Condition, AwsError> {
    let mut values = read(operator, values)?.into_iter().map(Operand::Value);
    let path = || Path::top(name);
    let subject = || Operand::Path(path());
    if let Some(comparator) = comparator(operator) {
        let value = values.next().ok_or_else(|| miscounted(operator))?;
        return Ok(Condition::Compare(subject(), comparator, value));
    }
    if operator == ComparisonOperator::In {
        return Ok(Condition::In(subject(), values.collect()));
    }
    let first = values.next();
    Ok(match (operator, first) {
        (ComparisonOperator::Null, _) => Condition::NotExists(path()),
        (ComparisonOperator::Contains, Some(value)) => Condition::Contains(subject(), value),
        (ComparisonOperator::NotContains, Some(value)) => Condition::And(
            Box::new(Condition::Exists(path())),
            Box::new(Condition::Not(Box::new(Condition::Contains(subject(), value)))),
        ),
        (ComparisonOperator::BeginsWith, Some(value)) => Condition::BeginsWith(subject(), value),
        (ComparisonOperator::Between, Some(low)) => {
            let high = values.next().ok_or_else(|| miscounted(operator))?;
            Condition::Between(subject(), low, high)
        }
        _ => Condition::Exists(path()),
    })
}

/// `AttributeUpdates` as clauses.
pub(crate) fn updates(
    all: BTreeMap<String, AttributeValueUpdate>,
) -> Result<Vec<Clause>, AwsError> {
    all.into_iter().map(|(name, update)| clause(&name, update)).collect()
}

fn clause(name: &str, update: AttributeValueUpdate) -> Result<Clause, AwsError> {
    let path = Path::top(name);
    let value = update.value.map(|value| convert::attr(*value)).transpose()?;
    let missing =
        || invalid_parameter("Only DELETE action is allowed when no attribute value is specified");
    let action = update.action.unwrap_or(AttributeAction::Put);
    let wrong = |value: &Attr| {
        let kind = value.kind().code();
        invalid_parameter(format!("{action} action is not supported for the type {kind}"))
    };
    Ok(match (action, value) {
        (AttributeAction::Delete, None) => Clause::Remove(path),
        (_, None) => return Err(missing()),
        (AttributeAction::Put, Some(value)) => Clause::Set(path, Source::Value(value)),
        (AttributeAction::Delete, Some(value)) => match value.kind().is_set() {
            true => Clause::Delete(path, value),
            false => return Err(wrong(&value)),
        },
        (AttributeAction::Add, Some(value)) => match value {
            // legacy ADD also appends to lists
            Attr::L(_) => {
                let empty = Source::Value(Attr::L(Vec::new()));
                let before = Source::IfNotExists(path.clone(), Box::new(empty));
                let whole = Source::ListAppend(Box::new(before), Box::new(Source::Value(value)));
                Clause::Set(path, whole)
            }
            _ if value.kind() == Kind::N || value.kind().is_set() => Clause::Add(path, value),
            _ => return Err(wrong(&value)),
        },
    })
}
