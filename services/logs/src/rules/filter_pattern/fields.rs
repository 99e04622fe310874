//! Space-delimited patterns: names and conditions for the columns of a message.

use std::collections::BTreeMap;

use super::json::{Operand, operand};
use super::lexer::{Comparison, DEPTH_MAX, Token, tokens, within};
use super::text::PatternError;

/// The columns of one pattern.
#[derive(Debug)]
pub(crate) struct Fields {
    columns: Vec<Column>,
}

#[derive(Debug)]
enum Column {
    /// `...`: any number of columns.
    Ellipsis,
    One {
        name: String,
        test: Option<Test>,
    },
}

#[derive(Debug)]
enum Test {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare(Comparison, Operand),
}

/// Reads `[ … ]`.
pub(crate) fn parse(pattern: &str) -> Result<Fields, PatternError> {
    let tokens = tokens(within(pattern, '[', ']')?)?;
    if tokens.is_empty() {
        return Err(PatternError::Syntax);
    }
    let mut columns = Vec::new();
    for (index, tokens) in split_columns(&tokens).into_iter().enumerate() {
        columns.push(column(index, tokens)?);
    }
    if columns.iter().filter(|column| matches!(column, Column::Ellipsis)).count() > 1 {
        return Err(PatternError::Syntax);
    }
    Ok(Fields { columns })
}

impl Fields {
    /// Whether the message has these columns, and they pass their tests.
    pub(crate) fn match_message(&self, message: &str) -> bool {
        let values = split_message(message);
        let Some(pairs) = self.pair(&values) else { return false };
        pairs.into_iter().all(|(column, value)| match column {
            Column::One { test: Some(test), .. } => test.holds(value),
            Column::One { test: None, .. } | Column::Ellipsis => true,
        })
    }

    /// `$name` with its column's text; unnamed columns by their number.
    pub(crate) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        let values = split_message(message);
        let pairs = self.pair(&values).unwrap_or_default().into_iter();
        let mut number = 0;
        pairs
            .map(|(column, value)| {
                number += 1;
                match column {
                    Column::One { name, .. } => (format!("${name}"), value.to_owned()),
                    Column::Ellipsis => (format!("${number}"), value.to_owned()),
                }
            })
            .collect()
    }

    /// How many tests are regular expressions.
    pub(crate) fn regex_count(&self) -> usize {
        let tests = self.columns.iter().filter_map(|column| match column {
            Column::One { test, .. } => test.as_ref(),
            Column::Ellipsis => None,
        });
        tests.map(Test::regex_count).sum()
    }

    /// Lays columns over values; None where their numbers differ.
    fn pair<'a>(&'a self, values: &[&'a str]) -> Option<Vec<(&'a Column, &'a str)>> {
        let ellipsis = self.columns.iter().position(|column| matches!(column, Column::Ellipsis));
        let Some(at) = ellipsis else {
            let fits = self.columns.len() == values.len();
            return fits.then(|| self.columns.iter().zip(values.iter().copied()).collect());
        };
        let behind = self.columns.len() - at - 1;
        let gap = values.len().checked_sub(at + behind)?;
        let columns = self.columns[..at].iter();
        let columns = columns.chain(std::iter::repeat_n(&self.columns[at], gap));
        let columns = columns.chain(&self.columns[at + 1..]);
        Some(columns.zip(values.iter().copied()).collect())
    }
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(value)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(value)),
            Self::Compare(comparison, operand) => compare(value, *comparison, operand),
        }
    }

    fn regex_count(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::regex_count).sum(),
            Self::Compare(_, Operand::Text(matcher)) => usize::from(matcher.is_regex()),
            Self::Compare(_, Operand::Number(..)) => 0,
        }
    }
}

fn compare(value: &str, comparison: Comparison, operand: &Operand) -> bool {
    if let (Operand::Number(wanted, _), Ok(found)) = (operand, value.parse::<f64>()) {
        return comparison.holds(found, *wanted);
    }
    let (Operand::Number(_, matcher) | Operand::Text(matcher)) = operand;
    match comparison {
        Comparison::Equal => matcher.covers(value),
        Comparison::NotEqual => !matcher.covers(value),
        _ => false,
    }
}

/// Columns end at blanks; what stands in quotes or brackets is one column.
fn split_message(message: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut rest = message.trim_start();
    while let Some(first) = rest.chars().next() {
        let close = match first {
            '"' => Some('"'),
            '[' => Some(']'),
            _ => None,
        };
        let closed = close.and_then(|close| rest[1..].find(close));
        let (value, behind) = match closed {
            Some(end) => (&rest[1..=end], &rest[end + 2..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        values.push(value);
        rest = behind.trim_start();
    }
    values
}

/// Splits at commas outside parentheses.
fn split_columns(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut columns, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                columns.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    columns.push(&tokens[start..]);
    columns
}

fn column(index: usize, tokens: &[Token]) -> Result<Column, PatternError> {
    match tokens {
        [] => Ok(Column::One { name: (index + 1).to_string(), test: None }),
        [Token::Word(word)] if word == "..." => Ok(Column::Ellipsis),
        [Token::Word(name)] => Ok(Column::One { name: name.clone(), test: None }),
        _ => {
            let mut parser = Parser { tokens, at: 0, depth: 0, name: None };
            let test = parser.any()?;
            match parser.name {
                Some(name) if parser.at == tokens.len() => {
                    Ok(Column::One { name, test: Some(test) })
                }
                _ => Err(PatternError::Syntax),
            }
        }
    }
}

/// Reads `name = 4* && name != 403`; each comparison repeats the column's name.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    name: Option<String>,
}

impl Parser<'_> {
    fn take_if(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Test, PatternError> {
        let mut parts = vec![self.all()?];
        while self.take_if(&Token::Or) {
            parts.push(self.all()?);
        }
        Ok(Test::Any(parts))
    }

    fn all(&mut self) -> Result<Test, PatternError> {
        let mut parts = vec![self.one()?];
        while self.take_if(&Token::And) {
            parts.push(self.one()?);
        }
        Ok(Test::All(parts))
    }

    fn one(&mut self) -> Result<Test, PatternError> {
        if self.take_if(&Token::Open) {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(PatternError::Syntax);
            }
            let inner = self.any()?;
            self.depth -= 1;
            return if self.take_if(&Token::Close) { Ok(inner) } else { Err(PatternError::Syntax) };
        }
        let [Token::Word(name), Token::Compare(comparison), value, ..] = &self.tokens[self.at..]
        else {
            return Err(PatternError::Syntax);
        };
        if self.name.get_or_insert_with(|| name.clone()) != name {
            return Err(PatternError::Syntax);
        }
        self.at += 3;
        Ok(Test::Compare(*comparison, operand(value)?))
    }
}
