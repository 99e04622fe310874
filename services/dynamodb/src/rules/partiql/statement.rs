//! Statements.

use super::super::value::Attr;
use super::condition::condition;
use super::parser::Parser;
use super::update::clauses;
use super::value::value;
use super::{Returning, Select, Statement};

/// Reads a statement.
pub(super) fn statement(parser: &mut Parser) -> Result<Statement, String> {
    if parser.is_word("SELECT") {
        return select(parser).map(Statement::Select);
    }
    if parser.take_word("EXISTS") {
        parser.expect_symbol("(")?;
        let inner = select(parser)?;
        parser.expect_symbol(")")?;
        return Ok(Statement::Exists(inner));
    }
    if parser.take_word("INSERT") {
        parser.expect_word("INTO")?;
        let table = parser.name()?;
        parser.expect_word("VALUE")?;
        return match value(parser)? {
            Attr::M(item) => Ok(Statement::Insert { table, item }),
            _ => Err("INSERT takes a tuple".to_owned()),
        };
    }
    if parser.take_word("UPDATE") {
        let table = parser.name()?;
        let clauses = clauses(parser)?;
        parser.expect_word("WHERE")?;
        let condition = condition(parser)?;
        return Ok(Statement::Update { table, clauses, condition, returning: returning(parser)? });
    }
    parser.expect_word("DELETE")?;
    parser.expect_word("FROM")?;
    let table = parser.name()?;
    parser.expect_word("WHERE")?;
    let condition = condition(parser)?;
    Ok(Statement::Delete { table, condition, returning: returning(parser)? })
}

fn select(parser: &mut Parser) -> Result<Select, String> {
    parser.expect_word("SELECT")?;
    let paths = match parser.take_symbol("*") {
        true => None,
        false => {
            let mut paths = vec![parser.path()?];
            while parser.take_symbol(",") {
                paths.push(parser.path()?);
            }
            Some(paths)
        }
    };
    parser.expect_word("FROM")?;
    let table = parser.name()?;
    let index = parser.take_symbol(".").then(|| parser.name()).transpose()?;
    let condition = parser.take_word("WHERE").then(|| condition(parser)).transpose()?;
    let order = match parser.take_word("ORDER") {
        true => order(parser)?,
        false => Vec::new(),
    };
    Ok(Select { table, index, paths, condition, order })
}

fn order(parser: &mut Parser) -> Result<Vec<(String, bool)>, String> {
    parser.expect_word("BY")?;
    let mut order = Vec::new();
    loop {
        let name = parser.name()?;
        let descends = parser.take_word("DESC");
        if !descends {
            parser.take_word("ASC");
        }
        order.push((name, descends));
        if !parser.take_symbol(",") {
            return Ok(order);
        }
    }
}

fn returning(parser: &mut Parser) -> Result<Option<Returning>, String> {
    if !parser.take_word("RETURNING") {
        return Ok(None);
    }
    let is_all = parser.take_word("ALL");
    if !is_all {
        parser.expect_word("MODIFIED")?;
    }
    let is_new = parser.take_word("NEW");
    if !is_new {
        parser.expect_word("OLD")?;
    }
    parser.expect_symbol("*")?;
    Ok(Some(Returning { is_new, is_all }))
}
