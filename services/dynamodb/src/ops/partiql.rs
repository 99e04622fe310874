//! PartiQL.

mod batch;
mod select;
mod single;
mod transaction;

pub(crate) use single::returned;

use haar_dynamodb_contract::{AttributeValue, DuplicateItemException};
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::convert;
use crate::engine;
use crate::orders::{Deed, Order, check_keys};
use crate::refusal::invalid;
use crate::rules::expression::ast::Condition;
use crate::rules::expression::path::Path;
use crate::rules::partiql::{self, Keyed, Statement, exact_key};
use crate::rules::value::Attr;
use crate::state::TableRow;

/// A read statement with its parameters put in.
fn read(text: &str, parameters: Option<Vec<AttributeValue>>) -> Result<Statement, AwsError> {
    let parameters = parameters.unwrap_or_default().into_iter().map(convert::attr);
    partiql::read(text, parameters.collect::<Result<Vec<Attr>, _>>()?)
}

fn no_key() -> AwsError {
    invalid("Where clause does not contain a mandatory equality on all key attributes")
}

impl Dynamodb {
    /// A statement that writes, or checks, one item.
    fn order_of(&self, table: &TableRow, statement: Statement) -> Result<Order, AwsError> {
        match statement {
            Statement::Insert { item, .. } => {
                let key = table.keys.of_item(&item)?;
                engine::check(table, &item)?;
                let absent = Condition::NotExists(Path::top(table.keys.hash.name.clone()));
                let condition = Some(absent);
                let deed = Deed::Put(item);
                Ok(Order { table: table.key.clone(), key, condition, deed, shows_failed: false })
            }
            Statement::Update { clauses, condition, .. } => {
                check_keys(&table.keys, &clauses)?;
                let there = Condition::Exists(Path::top(table.keys.hash.name.clone()));
                let mut order = keyed_order(table, condition, Deed::Update(clauses))?;
                order.condition = Some(match order.condition {
                    Some(rest) => Condition::And(Box::new(there), Box::new(rest)),
                    None => there,
                });
                Ok(order)
            }
            Statement::Delete { condition, .. } => keyed_order(table, condition, Deed::Delete),
            Statement::Exists(select) => {
                let there = Condition::Exists(Path::top(table.keys.hash.name.clone()));
                let mut order =
                    keyed_order(table, select.condition.ok_or_else(no_key)?, Deed::Check)?;
                order.condition = Some(order.condition.unwrap_or(there));
                Ok(order)
            }
            Statement::Select(_) => Err(invalid("A SELECT statement writes nothing")),
        }
    }
}

fn keyed_order(table: &TableRow, condition: Condition, deed: Deed) -> Result<Order, AwsError> {
    let Keyed { key, rest } = exact_key(condition, &table.keys).ok_or_else(no_key)?;
    let key = table.keys.of_key(key)?;
    Ok(Order { table: table.key.clone(), key, condition: rest, deed, shows_failed: false })
}

/// An INSERT that finds an item says so.
fn worded(is_insert: bool, error: AwsError) -> AwsError {
    match is_insert && error.name() == "ConditionalCheckFailedException" {
        true => DuplicateItemException::message("Duplicate primary key exists in table").into(),
        false => error,
    }
}
