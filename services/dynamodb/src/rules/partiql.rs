//! PartiQL statements, read into the same trees as expressions. AWS docs: *Developer Guide >
//! PartiQL - a SQL-compatible query language for Amazon DynamoDB*.

mod condition;
mod keys;
mod lexer;
mod parser;
mod statement;
mod update;
mod value;

use haar_wire::AwsError;

use super::expression::ast::{Clause, Condition};
use super::expression::path::Path;
use super::value::{Attr, Item};
use crate::refusal::invalid;

pub(crate) use keys::{Keyed, exact_key, key_condition, partitions};

/// What comes back of a changed item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returning {
    pub(crate) is_new: bool,
    /// False: the changed attributes alone.
    pub(crate) is_all: bool,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Select(Select),
    /// True where `Select` finds something, in a transaction of writes.
    Exists(Select),
    Insert {
        table: String,
        item: Item,
    },
    Update {
        table: String,
        clauses: Vec<Clause>,
        condition: Condition,
        returning: Option<Returning>,
    },
    Delete {
        table: String,
        condition: Condition,
        returning: Option<Returning>,
    },
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) table: String,
    pub(crate) index: Option<String>,
    /// `None` for all attributes.
    pub(crate) paths: Option<Vec<Path>>,
    pub(crate) condition: Option<Condition>,
    /// The attributes that order, and true for one that descends.
    pub(crate) order: Vec<(String, bool)>,
}

impl Statement {
    /// The table it is about.
    pub(crate) fn table(&self) -> &str {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.table,
            Self::Insert { table, .. }
            | Self::Update { table, .. }
            | Self::Delete { table, .. } => table,
        }
    }

    /// The IAM action that it needs.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Select(_) | Self::Exists(_) => "dynamodb:PartiQLSelect",
            Self::Insert { .. } => "dynamodb:PartiQLInsert",
            Self::Update { .. } => "dynamodb:PartiQLUpdate",
            Self::Delete { .. } => "dynamodb:PartiQLDelete",
        }
    }
}

/// Reads a statement; each `?` stands for the next parameter.
pub(crate) fn read(text: &str, parameters: Vec<Attr>) -> Result<Statement, AwsError> {
    let mut parser = parser::Parser::new(text, parameters);
    let statement = statement::statement(&mut parser).and_then(|statement| {
        parser.expect_end()?;
        Ok(statement)
    });
    let statement = statement.map_err(|why| {
        invalid(format!("Statement wasn't well formed, can't be processed: {why}"))
    })?;
    match parser.all_used() {
        true => Ok(statement),
        false => Err(invalid("Number of parameters in request and statement don't match.")),
    }
}

#[cfg(test)]
mod tests;
