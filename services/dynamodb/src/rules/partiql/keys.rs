//! Keys that conditions name.

use super::super::expression::ast::{Comparator, Condition, Operand};
use super::super::key_condition::{KeyCondition, RangeCondition};
use super::super::schema::KeySchema;
use super::super::value::{Attr, Item};

/// A condition that names one item.
#[derive(Debug, PartialEq)]
pub(crate) struct Keyed {
    pub(crate) key: Item,
    /// What else it asks of the item.
    pub(crate) rest: Option<Condition>,
}

/// All parts that must hold together.
fn parts(condition: Condition, found: &mut Vec<Condition>) {
    match condition {
        Condition::And(left, right) => {
            parts(*left, found);
            parts(*right, found);
        }
        other => found.push(other),
    }
}

/// The value that a part asks an attribute to equal.
fn equal(part: &Condition, name: &str) -> Option<Attr> {
    match part {
        Condition::Compare(Operand::Path(path), Comparator::Equal, Operand::Value(value))
        | Condition::Compare(Operand::Value(value), Comparator::Equal, Operand::Path(path))
            if path.attribute == name && path.steps.is_empty() =>
        {
            Some(value.clone())
        }
        _ => None,
    }
}

/// The one item that a condition names: it asks for equality of the whole key.
pub(crate) fn exact_key(condition: Condition, keys: &KeySchema) -> Option<Keyed> {
    let mut all = Vec::new();
    parts(condition, &mut all);
    let mut key = Item::new();
    for part in keys.parts() {
        let at = all.iter().position(|one| equal(one, &part.name).is_some())?;
        let value = equal(&all.remove(at), &part.name)?;
        key.insert(part.name.clone(), value);
    }
    let and = |one, other| Condition::And(Box::new(one), Box::new(other));
    Some(Keyed { key, rest: all.into_iter().reduce(and) })
}

/// The stretch of a partition that a condition stays within, if it stays in one.
pub(crate) fn key_condition(condition: &Condition, keys: &KeySchema) -> Option<KeyCondition> {
    let mut all = Vec::new();
    parts(condition.clone(), &mut all);
    let hash = all.iter().find_map(|part| equal(part, &keys.hash.name))?;
    if hash.kind() != keys.hash.kind() {
        return None;
    }
    let range = keys.range.as_ref().and_then(|range| {
        let of_type = |value: &Attr| value.kind() == range.kind();
        all.into_iter().find_map(|part| match part {
            Condition::Compare(Operand::Path(path), comparator, Operand::Value(value))
                if path.attribute == range.name
                    && path.steps.is_empty()
                    && comparator != Comparator::NotEqual
                    && of_type(&value) =>
            {
                Some(RangeCondition::Compare(comparator, value))
            }
            Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high))
                if path.attribute == range.name
                    && path.steps.is_empty()
                    && of_type(&low)
                    && of_type(&high) =>
            {
                Some(RangeCondition::Between(low, high))
            }
            Condition::BeginsWith(Operand::Path(path), Operand::Value(start))
                if path.attribute == range.name && path.steps.is_empty() && of_type(&start) =>
            {
                Some(RangeCondition::BeginsWith(start))
            }
            _ => None,
        })
    });
    Some(KeyCondition { hash, range })
}

/// The partitions that a condition stays within; `None` where it may hold in any. AWS docs:
/// *Developer Guide > PartiQL select statements*: equality or `IN` of the partition key.
pub(crate) fn partitions(condition: &Condition, name: &str) -> Option<Vec<Attr>> {
    match condition {
        Condition::And(left, right) => partitions(left, name).or_else(|| partitions(right, name)),
        Condition::Or(left, right) => {
            let mut found = partitions(left, name)?;
            found.extend(partitions(right, name)?);
            Some(found)
        }
        Condition::In(Operand::Path(path), all)
            if path.attribute == name && path.steps.is_empty() =>
        {
            let value = |one: &Operand| match one {
                Operand::Value(value) => Some(value.clone()),
                _ => None,
            };
            all.iter().map(value).collect()
        }
        other => equal(other, name).map(|value| vec![value]),
    }
}
