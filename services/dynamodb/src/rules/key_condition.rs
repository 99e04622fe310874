//! Key conditions: one partition, and perhaps a stretch of it.

use std::collections::BTreeMap;
use std::ops::Bound;

use haar_wire::AwsError;

use super::expression::Placeholders;
use super::expression::ast::{Comparator, Condition, Operand};
use super::expression::condition;
use super::key_bytes::{push, push_open, spread};
use super::schema::{KeyPart, KeySchema, check_hash_size, check_range_size};
use super::value::{Attr, Item, Kind};
use crate::engine::{Span, end_of};
use crate::refusal::{invalid, invalid_parameter};

/// What a query asks of the sort key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RangeCondition {
    Compare(Comparator, Attr),
    Between(Attr, Attr),
    BeginsWith(Attr),
}

/// What a query asks of keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyCondition {
    /// What the partition key's attributes equal.
    pub(crate) hashes: Vec<Attr>,
    /// What the first attributes of the sort key equal.
    pub(crate) equal: Vec<Attr>,
    /// What is asked of the one behind those.
    pub(crate) range: Option<RangeCondition>,
}

/// A condition on one attribute, before it is known what that is.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) condition: RangeCondition,
}

/// Reads a `KeyConditionExpression`.
pub(crate) fn read(
    text: &str,
    placeholders: &mut Placeholders,
    schema: &KeySchema,
) -> Result<KeyCondition, AwsError> {
    let tree = condition("KeyConditionExpression", text, placeholders)?;
    let mut parts = Vec::new();
    collect(tree, &mut parts)?;
    of_parts(parts, schema)
}

fn collect(tree: Condition, parts: &mut Vec<Part>) -> Result<(), AwsError> {
    let operator =
        |what: &str| invalid(format!("Invalid operator used in KeyConditionExpression: {what}"));
    let (subject, condition) = match tree {
        Condition::And(left, right) => {
            collect(*left, parts)?;
            return collect(*right, parts);
        }
        Condition::Compare(_, Comparator::NotEqual, _) => return Err(operator("<>")),
        Condition::Compare(Operand::Value(value), comparator, path @ Operand::Path(_)) => {
            (path, RangeCondition::Compare(turned(comparator), value))
        }
        Condition::Compare(subject, comparator, other) => {
            (subject, RangeCondition::Compare(comparator, literal(other)?))
        }
        Condition::Between(subject, low, high) => {
            (subject, RangeCondition::Between(literal(low)?, literal(high)?))
        }
        Condition::BeginsWith(subject, start) => {
            (subject, RangeCondition::BeginsWith(literal(start)?))
        }
        Condition::Or(..) => return Err(operator("OR")),
        Condition::Not(_) => return Err(operator("NOT")),
        Condition::In(..) => return Err(operator("IN")),
        Condition::Exists(_) => return Err(operator("attribute_exists")),
        Condition::NotExists(_) => return Err(operator("attribute_not_exists")),
        Condition::TypeIs(..) => return Err(operator("attribute_type")),
        Condition::Contains(..) => return Err(operator("contains")),
    };
    match subject {
        Operand::Path(path) if path.steps.is_empty() => {
            parts.push(Part { name: path.attribute, condition });
            Ok(())
        }
        Operand::Path(_) => {
            Err(invalid("KeyConditionExpressions cannot have conditions on nested attributes"))
        }
        Operand::Size(_) => Err(operator("size")),
        Operand::Value(_) => Err(unsupported()),
    }
}

fn turned(comparator: Comparator) -> Comparator {
    match comparator {
        Comparator::Less => Comparator::Greater,
        Comparator::LessOrEqual => Comparator::GreaterOrEqual,
        Comparator::Greater => Comparator::Less,
        Comparator::GreaterOrEqual => Comparator::LessOrEqual,
        same => same,
    }
}

fn literal(operand: Operand) -> Result<Attr, AwsError> {
    match operand {
        Operand::Value(value) => Ok(value),
        _ => Err(invalid(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one \
             condition",
        )),
    }
}

fn unsupported() -> AwsError {
    invalid("Query key condition not supported")
}

/// Puts conditions to the parts of a key: equality of the whole partition key, then, from the left,
/// of attributes of the sort key, of which the last may be asked something else.
pub(crate) fn of_parts(parts: Vec<Part>, schema: &KeySchema) -> Result<KeyCondition, AwsError> {
    if parts.len() > schema.parts().count().max(2) {
        return Err(invalid("Conditions can be of length 1 or 2 only"));
    }
    let count = parts.len();
    let mut given: BTreeMap<String, RangeCondition> =
        parts.into_iter().map(|part| (part.name, part.condition)).collect();
    if given.len() != count {
        return Err(invalid("KeyConditionExpressions must only contain one condition per key"));
    }
    let missed = |name: &str| invalid(format!("Query condition missed key schema element: {name}"));
    let mut hashes = Vec::new();
    for part in schema.hashes() {
        let condition = given.remove(&part.name).ok_or_else(|| missed(&part.name))?;
        let RangeCondition::Compare(Comparator::Equal, hash) = condition else {
            return Err(unsupported());
        };
        check_type(part, &hash)?;
        hashes.push(hash);
    }
    check_hash_size(&hashes.iter().collect::<Vec<_>>())?;
    let (mut equal, mut range) = (Vec::new(), None);
    for part in schema.ranges() {
        if given.is_empty() {
            break;
        }
        let condition = given.remove(&part.name).ok_or_else(|| missed(&part.name))?;
        check_range(part, &equal, &condition)?;
        match condition {
            RangeCondition::Compare(Comparator::Equal, value) => equal.push(value),
            // nothing is asked of what comes behind a stretch
            other if given.is_empty() => range = Some(other),
            _ => return Err(unsupported()),
        }
    }
    match given.is_empty() {
        true => Ok(KeyCondition { hashes, equal, range }),
        false => Err(unsupported()),
    }
}

fn check_type(part: &KeyPart, value: &Attr) -> Result<(), AwsError> {
    if value.kind() != part.kind() {
        return Err(invalid_parameter("Condition parameter type does not match schema type"));
    }
    if value.extent() == Some(0) && value.kind() != Kind::N {
        return Err(invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
             cannot contain an empty {} value. Key: {}",
            if value.kind() == Kind::B { "binary" } else { "string" },
            part.name
        )));
    }
    Ok(())
}

/// Checks what is asked of an attribute of a sort key, of which those before are asked `equal`.
fn check_range(part: &KeyPart, equal: &[Attr], condition: &RangeCondition) -> Result<(), AwsError> {
    let check_size = |value| {
        let all: Vec<&Attr> = equal.iter().chain([value]).collect();
        check_range_size(&all)
    };
    let check = |value| {
        check_type(part, value)?;
        check_size(value)
    };
    match condition {
        RangeCondition::Compare(_, value) => check(value),
        RangeCondition::BeginsWith(value) => match value.kind() == part.kind() {
            true => check_size(value),
            false => Err(invalid_parameter("Condition parameter type does not match schema type")),
        },
        RangeCondition::Between(low, high) => {
            check(low)?;
            check(high)
        }
    }
}

impl KeyCondition {
    /// The stretch of positions that it stands for.
    pub(crate) fn span(&self, is_forward: bool) -> Span {
        let mut hash = Vec::new();
        self.hashes.iter().for_each(|value| push(&mut hash, value));
        let mut prefix = [&spread(&hash)[..], &hash].concat();
        self.equal.iter().for_each(|value| push(&mut prefix, value));
        let at = |value: &Attr| {
            let mut key = prefix.clone();
            push(&mut key, value);
            key
        };
        // index entries go on behind the sort key: a key's own stretch ends behind all of them
        let (first, behind) =
            (|value: &Attr| Bound::Included(at(value)), |value: &Attr| end_of(&at(value)));
        let from = || Bound::Included(prefix.clone());
        let (low, high) = match &self.range {
            None => (from(), end_of(&prefix)),
            Some(RangeCondition::Compare(comparator, value)) => match comparator {
                Comparator::Less => (from(), Bound::Excluded(at(value))),
                Comparator::LessOrEqual => (from(), behind(value)),
                Comparator::Greater => (raised(behind(value)), end_of(&prefix)),
                Comparator::GreaterOrEqual => (first(value), end_of(&prefix)),
                Comparator::Equal | Comparator::NotEqual => (first(value), behind(value)),
            },
            Some(RangeCondition::Between(low, high)) => (first(low), behind(high)),
            Some(RangeCondition::BeginsWith(start)) => {
                let mut key = prefix.clone();
                push_open(&mut key, start);
                (Bound::Included(key.clone()), end_of(&key))
            }
        };
        Span { low, high, is_forward }
    }

    /// True for keys of its partition.
    pub(crate) fn is_of_partition(&self, schema: &KeySchema, key: &Item) -> bool {
        schema.hashes().map(|part| key.get(&part.name)).eq(self.hashes.iter().map(Some))
    }

    /// True for keys that it holds for.
    pub(crate) fn holds(&self, schema: &KeySchema, key: &Item) -> bool {
        let mut ranges = schema.ranges().map(|part| key.get(&part.name));
        let is_equal = self.equal.iter().all(|value| ranges.next() == Some(Some(value)));
        if !self.is_of_partition(schema, key) || !is_equal {
            return false;
        }
        let value = ranges.next().flatten();
        let (Some(value), Some(range)) = (value, &self.range) else { return true };
        let order = |other: &Attr| value.order(other);
        match range {
            RangeCondition::Compare(comparator, other) => {
                order(other).is_some_and(|order| match comparator {
                    Comparator::Equal | Comparator::NotEqual => order.is_eq(),
                    Comparator::Less => order.is_lt(),
                    Comparator::LessOrEqual => order.is_le(),
                    Comparator::Greater => order.is_gt(),
                    Comparator::GreaterOrEqual => order.is_ge(),
                })
            }
            RangeCondition::Between(low, high) => {
                order(low).is_some_and(std::cmp::Ordering::is_ge)
                    && order(high).is_some_and(std::cmp::Ordering::is_le)
            }
            RangeCondition::BeginsWith(start) => match (value, start) {
                (Attr::S(value), Attr::S(start)) => value.starts_with(start.as_str()),
                (Attr::B(value), Attr::B(start)) => value.starts_with(start),
                _ => false,
            },
        }
    }
}

/// The end of one stretch is the beginning of the next.
fn raised(end: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match end {
        Bound::Excluded(key) => Bound::Included(key),
        other => other,
    }
}
