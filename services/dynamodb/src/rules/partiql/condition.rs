//! `WHERE`.

use super::super::expression::ast::{Comparator, Condition, Operand};
use super::super::expression::path::Path;
use super::super::value::{Attr, Kind};
use super::lexer::Token;
use super::parser::Parser;
use super::value::literal;

/// Reads a condition.
pub(super) fn condition(parser: &mut Parser) -> Result<Condition, String> {
    let mut left = and(parser)?;
    while parser.take_word("OR") {
        left = Condition::Or(Box::new(left), Box::new(and(parser)?));
    }
    Ok(left)
}

fn and(parser: &mut Parser) -> Result<Condition, String> {
    let mut left = not(parser)?;
    while parser.take_word("AND") {
        left = Condition::And(Box::new(left), Box::new(not(parser)?));
    }
    Ok(left)
}

fn not(parser: &mut Parser) -> Result<Condition, String> {
    parser.enter()?;
    let read = if parser.take_word("NOT") {
        not(parser).map(|inner| Condition::Not(Box::new(inner)))
    } else if parser.take_symbol("(") {
        condition(parser).and_then(|inner| parser.expect_symbol(")").map(|()| inner))
    } else {
        comparison(parser)
    };
    parser.leave();
    read
}

fn comparison(parser: &mut Parser) -> Result<Condition, String> {
    if let Some(condition) = call(parser)? {
        return Ok(condition);
    }
    let left = operand(parser)?;
    let symbol = match parser.peek() {
        Token::Symbol("!=") => Some("<>"),
        Token::Symbol(symbol) => Some(*symbol),
        _ => None,
    };
    if let Some(comparator) = symbol.and_then(Comparator::of) {
        parser.next();
        return Ok(Condition::Compare(left, comparator, operand(parser)?));
    }
    if parser.take_word("BETWEEN") {
        let low = operand(parser)?;
        parser.expect_word("AND")?;
        return Ok(Condition::Between(left, low, operand(parser)?));
    }
    if parser.take_word("IN") {
        return Ok(Condition::In(left, list(parser)?));
    }
    parser.expect_word("IS")?;
    let negated = parser.take_word("NOT");
    let Operand::Path(path) = left else { return Err(parser.unexpected()) };
    let condition = is(parser, path)?;
    Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
}

fn is(parser: &mut Parser, path: Path) -> Result<Condition, String> {
    if parser.take_word("MISSING") {
        return Ok(Condition::NotExists(path));
    }
    parser.expect_word("NULL")?;
    Ok(Condition::TypeIs(path, Kind::Null))
}

fn list(parser: &mut Parser) -> Result<Vec<Operand>, String> {
    let end = match parser.next() {
        Token::Symbol("[") => "]",
        Token::Symbol("(") => ")",
        _ => return Err("IN takes a list".to_owned()),
    };
    let mut all = vec![operand(parser)?];
    while parser.take_symbol(",") {
        all.push(operand(parser)?);
    }
    parser.expect_symbol(end)?;
    Ok(all)
}

fn operand(parser: &mut Parser) -> Result<Operand, String> {
    if let Some(value) = literal(parser)? {
        return Ok(Operand::Value(value));
    }
    if parser.is_call() && parser.is_word("size") {
        parser.next();
        parser.next();
        let inner = operand(parser)?;
        parser.expect_symbol(")")?;
        return Ok(Operand::Size(Box::new(inner)));
    }
    parser.path().map(Operand::Path)
}

/// A function that is a condition by itself.
fn call(parser: &mut Parser) -> Result<Option<Condition>, String> {
    let name = match parser.peek() {
        Token::Word(name) if parser.is_call() => name.to_ascii_lowercase(),
        _ => return Ok(None),
    };
    if name == "size" {
        return Ok(None);
    }
    if !matches!(
        name.as_str(),
        "begins_with" | "contains" | "attribute_type" | "attribute_exists" | "attribute_not_exists"
    ) {
        return Err(format!("Unexpected function: {name}"));
    }
    parser.next();
    parser.next();
    let first = operand(parser)?;
    let second = parser.take_symbol(",").then(|| operand(parser)).transpose()?;
    parser.expect_symbol(")")?;
    let wrong = || format!("Wrong arguments of function: {name}");
    Ok(Some(match (name.as_str(), first, second) {
        ("begins_with", first, Some(second)) => Condition::BeginsWith(first, second),
        ("contains", first, Some(second)) => Condition::Contains(first, second),
        ("attribute_type", Operand::Path(path), Some(Operand::Value(Attr::S(code)))) => {
            Condition::TypeIs(path, Kind::of_code(&code).ok_or_else(wrong)?)
        }
        ("attribute_exists", Operand::Path(path), None) => Condition::Exists(path),
        ("attribute_not_exists", Operand::Path(path), None) => Condition::NotExists(path),
        _ => return Err(wrong()),
    }))
}
