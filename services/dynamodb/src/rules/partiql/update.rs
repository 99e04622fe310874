//! `SET` and `REMOVE`.

use super::super::expression::ast::{Clause, Source};
use super::super::expression::overlap;
use super::lexer::Token;
use super::parser::Parser;
use super::value::{literal, value};

/// Reads the clauses of an update.
pub(super) fn clauses(parser: &mut Parser) -> Result<Vec<Clause>, String> {
    let mut all = Vec::new();
    loop {
        if parser.take_word("SET") {
            all.push(set(parser)?);
            while parser.take_symbol(",") {
                all.push(set(parser)?);
            }
        } else if parser.take_word("REMOVE") {
            all.push(Clause::Remove(parser.path()?));
            while parser.take_symbol(",") {
                all.push(Clause::Remove(parser.path()?));
            }
        } else {
            break;
        }
    }
    if all.is_empty() {
        return Err(parser.unexpected());
    }
    overlap::check(&all.iter().map(Clause::path).collect::<Vec<_>>())?;
    Ok(all)
}

fn set(parser: &mut Parser) -> Result<Clause, String> {
    let path = parser.path()?;
    parser.expect_symbol("=")?;
    if parser.is_call() && (parser.is_word("set_add") || parser.is_word("set_delete")) {
        let adds = parser.is_word("set_add");
        parser.next();
        parser.next();
        let subject = parser.path()?;
        parser.expect_symbol(",")?;
        let members = value(parser)?;
        parser.expect_symbol(")")?;
        if subject != path {
            return Err("set_add and set_delete change the attribute that they name".to_owned());
        }
        return Ok(if adds { Clause::Add(path, members) } else { Clause::Delete(path, members) });
    }
    Ok(Clause::Set(path, sum(parser)?))
}

fn sum(parser: &mut Parser) -> Result<Source, String> {
    let left = source(parser)?;
    if parser.take_symbol("+") {
        return Ok(Source::Plus(Box::new(left), Box::new(source(parser)?)));
    }
    if parser.take_symbol("-") {
        return Ok(Source::Minus(Box::new(left), Box::new(source(parser)?)));
    }
    Ok(left)
}

fn source(parser: &mut Parser) -> Result<Source, String> {
    if let Some(value) = literal(parser)? {
        return Ok(Source::Value(value));
    }
    let name = match parser.peek() {
        Token::Word(name) if parser.is_call() => name.to_ascii_lowercase(),
        _ => return parser.path().map(Source::Path),
    };
    parser.enter()?;
    parser.next();
    parser.next();
    let first = source(parser)?;
    parser.expect_symbol(",")?;
    let second = Box::new(source(parser)?);
    parser.expect_symbol(")")?;
    parser.leave();
    match (name.as_str(), first) {
        ("list_append", first) => Ok(Source::ListAppend(Box::new(first), second)),
        ("if_not_exists", Source::Path(path)) => Ok(Source::IfNotExists(path, second)),
        _ => Err(format!("Unexpected function: {name}")),
    }
}
