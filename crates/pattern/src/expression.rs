//! `{"prefix": "…"}` and its kin: a match expression, from behind its opening brace.

use serde_json::{Number, Value};

use crate::address::Block;
use crate::dialect::Dialect;
use crate::error::PatternError;
use crate::matcher::Matcher;
use crate::number::{self, Bound, Range};
use crate::token::{Token, Tokens};
use crate::wildcard::Wildcard;

type Read<T> = Result<T, PatternError>;

const ONE_KEY: &str = "Only one key allowed in match expression";
const TOO_MANY: &str = "Too many elements in numeric expression";

/// Reads a match expression up to its closing brace.
pub(crate) fn expression(tokens: &mut Tokens<'_>, dialect: &Dialect) -> Read<Matcher> {
    let Token::Field(name) = tokens.next()? else {
        return tokens.refuse("Match expression name not found");
    };
    let matcher = match name.as_str() {
        "exactly" => Matcher::Exact(Value::String(text(tokens, "exact match")?)),
        "prefix" => edge(tokens, "prefix", "Prefix", Matcher::Prefix)?,
        "suffix" => edge(tokens, "suffix", "Suffix", Matcher::Suffix)?,
        "numeric" => return numeric(tokens, dialect),
        "anything-but" => return anything_but(tokens, dialect),
        "exists" => match tokens.next()? {
            Token::Literal(Value::Bool(true)) => Matcher::Present,
            Token::Literal(Value::Bool(false)) => Matcher::Absent,
            _ => return tokens.refuse("exists match pattern must be either true or false."),
        },
        "cidr" if dialect.has_cidr => {
            let block = Block::parse(&text(tokens, "prefix match")?);
            Matcher::Cidr(or_refuse(tokens, block)?)
        }
        "equals-ignore-case" => {
            Matcher::IgnoreCase(text(tokens, "equals-ignore-case match")?.to_lowercase())
        }
        "wildcard" if dialect.has_wildcard => {
            let wildcard = Wildcard::parse(&text(tokens, "wildcard match")?);
            Matcher::Wildcard(or_refuse(tokens, wildcard)?)
        }
        _ => return tokens.refuse(format!("Unrecognized match type {name}")),
    };
    end_object(tokens, ONE_KEY)?;
    Ok(matcher)
}

fn text(tokens: &mut Tokens<'_>, what: &str) -> Read<String> {
    match tokens.next()? {
        Token::Text(text) => Ok(text),
        _ => tokens.refuse(format!("{what} pattern must be a string")),
    }
}

fn or_refuse<T>(tokens: &Tokens<'_>, found: Result<T, String>) -> Read<T> {
    found.or_else(|reason| tokens.refuse(reason))
}

fn end_object(tokens: &mut Tokens<'_>, otherwise: &str) -> Read<()> {
    match tokens.next()? {
        Token::EndObject => Ok(()),
        _ => tokens.refuse(otherwise),
    }
}

/// `"us-"` or `{"equals-ignore-case": "us-"}`, behind `"prefix":` or `"suffix":`.
fn edge(
    tokens: &mut Tokens<'_>,
    name: &str,
    title: &str,
    make: fn(String, bool) -> Matcher,
) -> Read<Matcher> {
    match tokens.next()? {
        Token::Text(text) => Ok(make(text, false)),
        Token::StartObject => {
            let Token::Field(operator) = tokens.next()? else {
                return tokens.refuse(format!("{title} expression name not found"));
            };
            if operator != "equals-ignore-case" {
                return tokens.refuse(format!("Unsupported {name} pattern: {operator}"));
            }
            let text = text(tokens, "equals-ignore-case match")?;
            end_object(tokens, ONE_KEY)?;
            Ok(make(text.to_lowercase(), true))
        }
        _ => tokens.refuse(format!("{name} match pattern must be a string")),
    }
}

/// `[">", 0, "<=", 5]`, behind `"numeric":`, with the expression's closing brace.
fn numeric(tokens: &mut Tokens<'_>, dialect: &Dialect) -> Read<Matcher> {
    if tokens.next()? != Token::StartArray {
        return tokens.refuse("Value of numeric must be an array.");
    }
    let operator = match tokens.next()? {
        Token::Text(operator) => operator,
        other => {
            return tokens.refuse(format!("Invalid member in numeric match: {}", written(&other)));
        }
    };
    let operand = tokens.next()?;
    let shown = if operator == "=" { "equals" } else { operator.as_str() };
    let number = match operator.as_str() {
        "=" | "<" | "<=" | ">" | ">=" => millionths(tokens, dialect, &operand, shown)?,
        _ => return tokens.refuse(format!("Unrecognized numeric range operator: {operator}")),
    };
    let bound = Some(Bound { value: number, is_open: matches!(operator.as_str(), "<" | ">") });
    let matcher = match (operator.as_str(), tokens.next()?) {
        ("=", Token::EndArray) => Matcher::Equals(number),
        ("<" | "<=", Token::EndArray) => Matcher::Numeric(Range { bottom: None, top: bound }),
        (_, Token::EndArray) => Matcher::Numeric(Range { bottom: bound, top: None }),
        (">" | ">=", more) => {
            let top = Some(top(tokens, dialect, &more)?);
            if bound.zip(top).is_some_and(|(bottom, top)| bottom.value >= top.value) {
                return tokens.refuse("Bottom must be less than top");
            }
            Matcher::Numeric(Range { bottom: bound, top })
        }
        _ => return tokens.refuse(TOO_MANY),
    };
    end_object(tokens, TOO_MANY)?;
    Ok(matcher)
}

/// The second half of a range, from its operator to the closing bracket.
fn top(tokens: &mut Tokens<'_>, dialect: &Dialect, operator: &Token) -> Read<Bound> {
    let Token::Text(operator) = operator else {
        return tokens.refuse(format!("Bad value in numeric range: {}", written(operator)));
    };
    if !matches!(operator.as_str(), "<" | "<=") {
        return tokens.refuse(format!("Bad numeric range operator: {operator}"));
    }
    let operand = tokens.next()?;
    let value = millionths(tokens, dialect, &operand, operator)?;
    match tokens.next()? {
        Token::EndArray => Ok(Bound { value, is_open: operator == "<" }),
        _ => tokens.refuse("Too many terms in numeric range expression"),
    }
}

fn millionths(tokens: &Tokens<'_>, dialect: &Dialect, operand: &Token, shown: &str) -> Read<i64> {
    match operand {
        Token::Number(number, _) => within(tokens, dialect, number),
        _ => tokens.refuse(format!("Value of {shown} must be numeric")),
    }
}

fn within(tokens: &Tokens<'_>, dialect: &Dialect, number: &Number) -> Read<i64> {
    let max = dialect.number_max;
    match number.as_f64().filter(|number| number.abs() <= max).and_then(number::comparable) {
        Some(number) => Ok(number),
        None => {
            let shown = format!("{max:.1e}").replace('e', "E");
            tokens.refuse(format!("Value must be between -{shown} and {shown}, inclusive"))
        }
    }
}

fn written(token: &Token) -> String {
    match token {
        Token::Text(text) | Token::Field(text) | Token::Number(_, text) => text.clone(),
        Token::Literal(value) => value.to_string(),
        Token::StartObject => "{".to_owned(),
        Token::EndObject => "}".to_owned(),
        Token::StartArray => "[".to_owned(),
        Token::EndArray => "]".to_owned(),
    }
}

/// What `anything-but` may hold within an object.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    IgnoreCase,
    Prefix,
    Suffix,
    Wildcard,
}

/// Behind `"anything-but":`, with the expression's closing brace.
fn anything_but(tokens: &mut Tokens<'_>, dialect: &Dialect) -> Read<Matcher> {
    let (mut form, mut token) = (Form::Plain, tokens.next()?);
    if token == Token::StartObject {
        let Token::Field(operator) = tokens.next()? else {
            return tokens.refuse("Anything-But expression name not found");
        };
        form = match operator.as_str() {
            "equals-ignore-case" if dialect.has_anything_but_forms => Form::IgnoreCase,
            "prefix" if dialect.has_anything_but_forms => Form::Prefix,
            "suffix" if dialect.has_anything_but_forms => Form::Suffix,
            "wildcard" if dialect.has_anything_but_forms => Form::Wildcard,
            _ => return tokens.refuse(format!("Unsupported anything-but pattern: {operator}")),
        };
        token = tokens.next()?;
    }
    let others = match token {
        Token::StartArray => listed(tokens, dialect, form)?,
        Token::Text(_) | Token::Number(..) => vec![excluded(tokens, dialect, form, token)?],
        _ => {
            return tokens
                .refuse("Value of anything-but must be an array or single string/number value.");
        }
    };
    end_object(tokens, TOO_MANY)?;
    if form != Form::Plain {
        end_object(tokens, TOO_MANY)?;
    }
    Ok(Matcher::AnythingBut(others))
}

fn listed(tokens: &mut Tokens<'_>, dialect: &Dialect, form: Form) -> Read<Vec<Matcher>> {
    let mut others = Vec::new();
    let mut numbers = 0;
    loop {
        let token = tokens.next()?;
        if token == Token::EndArray {
            break;
        }
        numbers += usize::from(matches!(token, Token::Number(..)));
        others.push(excluded(tokens, dialect, form, token)?);
    }
    let is_mixed = others.is_empty() || (numbers > 0 && numbers < others.len());
    if form == Form::Plain && is_mixed {
        return tokens.refuse(
            "Inside anything but list, either all values are number or string, mixed type is not \
             supported",
        );
    }
    Ok(others)
}

fn excluded(tokens: &Tokens<'_>, dialect: &Dialect, form: Form, token: Token) -> Read<Matcher> {
    match (form, token) {
        (Form::Plain, Token::Text(text)) => Ok(Matcher::Exact(Value::String(text))),
        (Form::Plain, Token::Number(number, _)) => {
            Ok(Matcher::Equals(within(tokens, dialect, &number)?))
        }
        (Form::Plain, _) => {
            tokens.refuse("Inside anything but list, start|null|boolean is not supported.")
        }
        (Form::IgnoreCase, Token::Text(text)) => Ok(Matcher::IgnoreCase(text.to_lowercase())),
        (Form::IgnoreCase, _) => tokens.refuse(
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not \
             supported.",
        ),
        (Form::Wildcard, Token::Text(text)) => {
            Ok(Matcher::Wildcard(or_refuse(tokens, Wildcard::parse(&text))?))
        }
        (Form::Wildcard, _) => tokens.refuse("wildcard match pattern must be a string"),
        (Form::Prefix | Form::Suffix, Token::Text(text)) if text.is_empty() => {
            tokens.refuse("Null prefix/suffix not allowed")
        }
        (Form::Prefix, Token::Text(text)) => Ok(Matcher::Prefix(text, false)),
        (Form::Suffix, Token::Text(text)) => Ok(Matcher::Suffix(text, false)),
        _ => tokens.refuse("prefix/suffix match pattern must be a string"),
    }
}
