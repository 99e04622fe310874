//! Keys that conditions name.

use super::super::expression::ast::{Comparator, Condition, Operand};
use super::super::expression::path::Path;
use super::super::key_condition::{KeyCondition, RangeCondition};
use super::super::schema::{KeyPart, KeySchema};
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
    let equals = |part: &KeyPart| {
        let value = all.iter().find_map(|one| equal(one, &part.name));
        value.filter(|value| value.kind() == part.kind())
    };
    let hashes = keys.hashes().map(equals).collect::<Option<Vec<_>>>()?;
    let equal: Vec<Attr> = keys.ranges().map_while(equals).collect();
    let next = keys.ranges().nth(equal.len());
    let range = next.and_then(|part| all.iter().find_map(|one| stretch(one, part)));
    Some(KeyCondition { hashes, equal, range })
}

/// What a part asks of an attribute of the sort key, if that is a stretch of it.
fn stretch(condition: &Condition, part: &KeyPart) -> Option<RangeCondition> {
    let is_it = |path: &Path| path.attribute == part.name && path.steps.is_empty();
    let of_type = |value: &Attr| value.kind() == part.kind();
    match condition {
        Condition::Compare(Operand::Path(path), comparator, Operand::Value(value))
            if is_it(path) && *comparator != Comparator::NotEqual && of_type(value) =>
        {
            Some(RangeCondition::Compare(*comparator, value.clone()))
        }
        Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high))
            if is_it(path) && of_type(low) && of_type(high) =>
        {
            Some(RangeCondition::Between(low.clone(), high.clone()))
        }
        Condition::BeginsWith(Operand::Path(path), Operand::Value(start))
            if is_it(path) && of_type(start) =>
        {
            Some(RangeCondition::BeginsWith(start.clone()))
        }
        _ => None,
    }
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
