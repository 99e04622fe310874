//! Whether a condition holds for an item; one that is not there has no attributes.

use std::borrow::Cow;

use super::super::number::Number;
use super::super::value::{Attr, Item};
use super::ast::{Comparator, Condition, Operand};

impl Condition {
    /// True where it holds.
    pub(crate) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Compare(left, comparator, right) => {
                compare(left.value(item), *comparator, right.value(item))
            }
            Self::Between(value, low, high) => {
                let value = value.value(item);
                compare(value.clone(), Comparator::GreaterOrEqual, low.value(item))
                    && compare(value, Comparator::LessOrEqual, high.value(item))
            }
            Self::In(value, all) => {
                let value = value.value(item);
                let equals = |one: &Operand| one.value(item) == value;
                value.is_some() && all.iter().any(equals)
            }
            Self::And(left, right) => left.holds(item) && right.holds(item),
            Self::Or(left, right) => left.holds(item) || right.holds(item),
            Self::Not(inner) => !inner.holds(item),
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::TypeIs(path, kind) => path.find(item).is_some_and(|it| it.kind() == *kind),
            Self::BeginsWith(value, start) => match (value.value(item), start.value(item)) {
                (Some(value), Some(start)) => begins_with(&value, &start),
                _ => false,
            },
            Self::Contains(value, part) => match (value.value(item), part.value(item)) {
                (Some(value), Some(part)) => contains(&value, &part),
                _ => false,
            },
        }
    }
}

impl Operand {
    /// What it stands for in an item.
    fn value<'i>(&'i self, item: &'i Item) -> Option<Cow<'i, Attr>> {
        match self {
            Self::Path(path) => path.find(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(inner) => {
                let extent = i64::try_from(inner.value(item)?.extent()?).ok()?;
                Some(Cow::Owned(Attr::N(Number::of(extent))))
            }
        }
    }
}

/// A value that is not there equals nothing.
fn compare(
    left: Option<Cow<'_, Attr>>,
    comparator: Comparator,
    right: Option<Cow<'_, Attr>>,
) -> bool {
    let equal = left.is_some() && left == right;
    match comparator {
        Comparator::Equal => return equal,
        Comparator::NotEqual => return !equal,
        _ => {}
    }
    let (Some(left), Some(right)) = (left, right) else { return false };
    let Some(order) = left.order(&right) else { return false };
    match comparator {
        Comparator::Less => order.is_lt(),
        Comparator::LessOrEqual => order.is_le(),
        Comparator::Greater => order.is_gt(),
        Comparator::GreaterOrEqual => order.is_ge(),
        Comparator::Equal | Comparator::NotEqual => false,
    }
}

fn begins_with(value: &Attr, start: &Attr) -> bool {
    match (value, start) {
        (Attr::S(value), Attr::S(start)) => value.starts_with(start.as_str()),
        (Attr::B(value), Attr::B(start)) => value.starts_with(start),
        _ => false,
    }
}

fn contains(value: &Attr, part: &Attr) -> bool {
    match (value, part) {
        (Attr::S(value), Attr::S(part)) => value.contains(part.as_str()),
        (Attr::B(value), Attr::B(part)) => {
            part.is_empty() || value.windows(part.len()).any(|window| window == part)
        }
        (Attr::Ss(set), Attr::S(part)) => set.contains(part),
        (Attr::Ns(set), Attr::N(part)) => set.contains(part),
        (Attr::Bs(set), Attr::B(part)) => set.contains(part),
        (Attr::L(list), part) => list.contains(part),
        _ => false,
    }
}
