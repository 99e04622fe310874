//! What an update makes of an item. All that `SET` reads is the item as it was before.

use haar_wire::AwsError;

use super::super::number::NumberError;
use super::super::value::{Attr, Item};
use super::ast::{Clause, Source};
use super::path::{Path, Step};
use crate::refusal::{invalid, invalid_parameter};

/// Applies an update.
pub(crate) fn apply(clauses: &[Clause], item: &mut Item) -> Result<(), AwsError> {
    let mut values = Vec::new();
    for clause in clauses {
        if let Clause::Set(path, source) = clause {
            values.push((path, source.value(item)?));
        }
    }
    let mut removed = Vec::new();
    // lists grow at their ends in the order of the positions
    values.sort_by_key(|(path, _)| *path);
    for (path, value) in values {
        put(item, path, value)?;
    }
    for clause in clauses {
        match clause {
            Clause::Set(..) => {}
            Clause::Remove(path) => removed.push(path),
            Clause::Add(path, value) => {
                let value = added(path.find(item), value)?;
                put(item, path, value)?;
            }
            Clause::Delete(path, value) => match path.find(item) {
                None => {}
                Some(found) => match taken(found, value)? {
                    Some(left) => put(item, path, left)?,
                    None => remove(item, path)?,
                },
            },
        }
    }
    // from the end, so that positions in lists stay what they were
    removed.sort();
    removed.iter().rev().try_for_each(|path| remove(item, path))
}

fn wrong_type() -> AwsError {
    invalid("An operand in the update expression has an incorrect data type")
}

fn no_such_path() -> AwsError {
    invalid("The document path provided in the update expression is invalid for update")
}

fn no_attribute() -> AwsError {
    invalid("The provided expression refers to an attribute that does not exist in the item")
}

fn out_of_range(error: &NumberError) -> AwsError {
    match error {
        NumberError::TooPrecise => invalid_parameter(error),
        _ => invalid(error.to_string()),
    }
}

impl Source {
    fn value(&self, item: &Item) -> Result<Attr, AwsError> {
        match self {
            Self::Path(path) => path.find(item).cloned().ok_or_else(no_attribute),
            Self::Value(value) => Ok(value.clone()),
            Self::IfNotExists(path, other) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => other.value(item),
            },
            Self::ListAppend(first, second) => match (first.value(item)?, second.value(item)?) {
                (Attr::L(mut list), Attr::L(more)) => {
                    list.extend(more);
                    Ok(Attr::L(list))
                }
                _ => Err(wrong_type()),
            },
            Self::Plus(left, right) | Self::Minus(left, right) => {
                let (Attr::N(one), Attr::N(other)) = (left.value(item)?, right.value(item)?) else {
                    return Err(wrong_type());
                };
                let sum =
                    if matches!(self, Self::Plus(..)) { one.plus(other) } else { one.minus(other) };
                sum.map(Attr::N).map_err(|error| out_of_range(&error))
            }
        }
    }
}

/// Puts a value where a path leads; all but its last step must be there.
fn put(item: &mut Item, path: &Path, value: Attr) -> Result<(), AwsError> {
    let Some((last, _)) = path.steps.split_last() else {
        item.insert(path.attribute.clone(), value);
        return Ok(());
    };
    match (parent(item, path).ok_or_else(no_such_path)?, last) {
        (Attr::M(map), Step::Name(name)) => drop(map.insert(name.clone(), value)),
        (Attr::L(list), Step::Index(index)) => match list.get_mut(*index) {
            Some(slot) => *slot = value,
            None => list.push(value),
        },
        _ => return Err(no_such_path()),
    }
    Ok(())
}

/// Removes what a path leads to; nothing there is fine.
fn remove(item: &mut Item, path: &Path) -> Result<(), AwsError> {
    let Some((last, _)) = path.steps.split_last() else {
        item.remove(&path.attribute);
        return Ok(());
    };
    match (parent(item, path).ok_or_else(no_such_path)?, last) {
        (Attr::M(map), Step::Name(name)) => drop(map.remove(name)),
        (Attr::L(list), Step::Index(index)) if *index < list.len() => drop(list.remove(*index)),
        (Attr::L(_), Step::Index(_)) => {}
        _ => return Err(no_such_path()),
    }
    Ok(())
}

/// What the last step of a path starts from.
fn parent<'i>(item: &'i mut Item, path: &Path) -> Option<&'i mut Attr> {
    let (_, before) = path.steps.split_last()?;
    let mut value = item.get_mut(&path.attribute)?;
    for step in before {
        value = match (step, value) {
            (Step::Name(name), Attr::M(map)) => map.get_mut(name)?,
            (Step::Index(index), Attr::L(list)) => list.get_mut(*index)?,
            _ => return None,
        };
    }
    Some(value)
}

/// `ADD`: a sum, or a union.
pub(crate) fn added(found: Option<&Attr>, value: &Attr) -> Result<Attr, AwsError> {
    fn union<T: Clone + Ord>(one: &[T], other: &[T]) -> Vec<T> {
        let mut all = [one, other].concat();
        all.sort();
        all.dedup();
        all
    }
    Ok(match (found, value) {
        (None, value) => value.clone(),
        (Some(Attr::N(one)), Attr::N(other)) => {
            Attr::N(one.plus(*other).map_err(|error| out_of_range(&error))?)
        }
        (Some(Attr::Ss(one)), Attr::Ss(other)) => Attr::Ss(union(one, other)),
        (Some(Attr::Ns(one)), Attr::Ns(other)) => Attr::Ns(union(one, other)),
        (Some(Attr::Bs(one)), Attr::Bs(other)) => Attr::Bs(union(one, other)),
        _ => return Err(wrong_type()),
    })
}

/// `DELETE`: a set without some members; `None` where nothing is left.
pub(crate) fn taken(found: &Attr, value: &Attr) -> Result<Option<Attr>, AwsError> {
    fn without<T: Clone + PartialEq>(one: &[T], other: &[T]) -> Option<Vec<T>> {
        let left: Vec<T> = one.iter().filter(|it| !other.contains(it)).cloned().collect();
        (!left.is_empty()).then_some(left)
    }
    Ok(match (found, value) {
        (Attr::Ss(one), Attr::Ss(other)) => without(one, other).map(Attr::Ss),
        (Attr::Ns(one), Attr::Ns(other)) => without(one, other).map(Attr::Ns),
        (Attr::Bs(one), Attr::Bs(other)) => without(one, other).map(Attr::Bs),
        _ => return Err(wrong_type()),
    })
}
