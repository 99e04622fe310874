//! What a request wants done to one item, whichever operation brought it.

use haar_wire::AwsError;

use crate::engine::{Actor, Change, ITEM_BYTES_MAX, Intent};
use crate::refusal::{condition_failed, invalid, invalid_parameter};
use crate::rules::expression::apply::apply;
use crate::rules::expression::ast::{Clause, Condition};
use crate::rules::schema::{KeySchema, PrimaryKey};
use crate::rules::value::{Item, item_size};
use crate::state::TableKey;

/// The deed, once the condition holds.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Put(Item),
    Delete,
    Update(Vec<Clause>),
    /// Nothing: the condition is all.
    Check,
}

/// A deed on one item.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) table: TableKey,
    pub(crate) key: PrimaryKey,
    pub(crate) condition: Option<Condition>,
    pub(crate) deed: Deed,
    /// True: who fails the condition is shown the item.
    pub(crate) shows_failed: bool,
}

impl Order {
    /// What it comes to for the item as it is.
    ///
    /// # Errors
    /// When the condition does not hold, or the update cannot be applied.
    pub(crate) fn decide(
        deed: Deed,
        order: &OrderHead<'_>,
        old: Option<&Item>,
    ) -> Result<Change, AwsError> {
        let none = Item::new();
        let holds = order.condition.is_none_or(|condition| condition.holds(old.unwrap_or(&none)));
        if !holds {
            let shown = old.filter(|_| order.shows_failed).cloned();
            return Err(condition_failed(shown));
        }
        Ok(match deed {
            Deed::Put(item) => Change::Put(item),
            Deed::Delete => Change::Remove,
            Deed::Check => Change::Keep,
            Deed::Update(clauses) => {
                let mut item = old.unwrap_or(&order.key.item).clone();
                apply(&clauses, &mut item)?;
                if item_size(&item) > ITEM_BYTES_MAX {
                    return Err(invalid(
                        "Item size to update has exceeded the maximum allowed size",
                    ));
                }
                Change::Put(item)
            }
        })
    }

    /// Takes the deed out, so that what it brings need not be copied.
    pub(crate) fn split(&mut self) -> (Deed, OrderHead<'_>) {
        let deed = std::mem::replace(&mut self.deed, Deed::Check);
        let head = OrderHead {
            table: &self.table,
            key: &self.key,
            condition: self.condition.as_ref(),
            shows_failed: self.shows_failed,
        };
        (deed, head)
    }
}

/// An order without its deed.
pub(crate) struct OrderHead<'o> {
    pub(crate) table: &'o TableKey,
    pub(crate) key: &'o PrimaryKey,
    pub(crate) condition: Option<&'o Condition>,
    pub(crate) shows_failed: bool,
}

impl OrderHead<'_> {
    /// For the engine.
    pub(crate) fn intent(&self) -> Intent<'_> {
        Intent { table: self.table, key: self.key, actor: Actor::Caller }
    }
}

/// Updates leave keys alone.
pub(crate) fn check_keys(keys: &KeySchema, clauses: &[Clause]) -> Result<(), AwsError> {
    match clauses.iter().map(Clause::path).find(|path| keys.has(&path.attribute)) {
        Some(path) => Err(invalid_parameter(format!(
            "Cannot update attribute {}. This attribute is part of the key",
            path.attribute
        ))),
        None => Ok(()),
    }
}
