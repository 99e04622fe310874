//! Values as statements write them.

use super::super::number::Number;
use super::super::value::{Attr, Item, Kind};
use super::lexer::Token;
use super::parser::Parser;

/// A value, if one is next: `'a'`, `1`, `true`, `null`, `?`, `[…]`, `{…}`, `<<…>>`.
pub(super) fn literal(parser: &mut Parser) -> Result<Option<Attr>, String> {
    let value = match parser.peek().clone() {
        Token::Text(text) => Attr::S(text),
        Token::Number(text) => Attr::N(number(&text)?),
        Token::Symbol("-") => {
            parser.next();
            let Token::Number(text) = parser.peek().clone() else {
                return Err(parser.unexpected());
            };
            Attr::N(number(&format!("-{text}"))?)
        }
        Token::Word(word) if word.eq_ignore_ascii_case("true") => Attr::Bool(true),
        Token::Word(word) if word.eq_ignore_ascii_case("false") => Attr::Bool(false),
        Token::Word(word) if word.eq_ignore_ascii_case("null") => Attr::Null,
        Token::Symbol("?") => {
            parser.next();
            return parser.parameter().map(Some);
        }
        Token::Symbol("[") => return list(parser, "]").map(|all| Some(Attr::L(all))),
        Token::Symbol("<<") => return list(parser, ">>").and_then(set).map(Some),
        Token::Symbol("{") => return map(parser).map(|map| Some(Attr::M(map))),
        _ => return Ok(None),
    };
    parser.next();
    Ok(Some(value))
}

/// A value, which must be next.
pub(super) fn value(parser: &mut Parser) -> Result<Attr, String> {
    match literal(parser)? {
        Some(value) => Ok(value),
        None => Err(parser.unexpected()),
    }
}

fn number(text: &str) -> Result<Number, String> {
    Number::parse(text).map_err(|error| error.to_string())
}

fn list(parser: &mut Parser, end: &str) -> Result<Vec<Attr>, String> {
    parser.enter()?;
    parser.next();
    let mut all = Vec::new();
    while !parser.take_symbol(end) {
        if !all.is_empty() {
            parser.expect_symbol(",")?;
        }
        all.push(value(parser)?);
    }
    parser.leave();
    Ok(all)
}

fn map(parser: &mut Parser) -> Result<Item, String> {
    parser.enter()?;
    parser.next();
    let mut map = Item::new();
    while !parser.take_symbol("}") {
        if !map.is_empty() {
            parser.expect_symbol(",")?;
        }
        let name = match parser.next() {
            Token::Text(name) | Token::Quoted(name) => name,
            _ => return Err("Attribute names in values must be quoted".to_owned()),
        };
        parser.expect_symbol(":")?;
        map.insert(name, value(parser)?);
    }
    parser.leave();
    Ok(map)
}

/// A set: values of one of three types, none twice.
fn set(all: Vec<Attr>) -> Result<Attr, String> {
    let wrong = || "Sets hold strings, numbers or binaries, all of one type".to_owned();
    let count = all.len();
    let mut all = all;
    all.sort_by(|one, other| one.order(other).unwrap_or(std::cmp::Ordering::Equal));
    all.dedup();
    if all.len() < count {
        return Err("Input collection contains duplicates".to_owned());
    }
    match all.first().map(Attr::kind) {
        Some(Kind::S) => {
            let texts =
                all.into_iter().map(|one| if let Attr::S(it) = one { Some(it) } else { None });
            texts.collect::<Option<_>>().map(Attr::Ss).ok_or_else(wrong)
        }
        Some(Kind::N) => {
            let numbers =
                all.into_iter().map(|one| if let Attr::N(it) = one { Some(it) } else { None });
            numbers.collect::<Option<_>>().map(Attr::Ns).ok_or_else(wrong)
        }
        Some(Kind::B) => {
            let bytes =
                all.into_iter().map(|one| if let Attr::B(it) = one { Some(it) } else { None });
            bytes.collect::<Option<_>>().map(Attr::Bs).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}
