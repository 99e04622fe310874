//! JSON patterns: conditions on what selectors find in a JSON message.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lexer::{Comparison, DEPTH_MAX, Token, tokens, within};
use super::text::{PatternError, TextMatcher};

/// A condition on a JSON event.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    /// `$.a = …`; false where the selector finds nothing.
    Compare(Selector, Comparison, Operand),
    /// `$.a IS NULL`, `IS TRUE`, `IS FALSE`.
    Is(Selector, Value),
    /// `$.a EXISTS` (true), `$.a NOT EXISTS` (false).
    Exists(Selector, bool),
}

/// A path into an event, as written and as steps.
#[derive(Debug)]
pub(crate) struct Selector {
    text: String,
    steps: Vec<SelectorStep>,
}

#[derive(Debug, PartialEq)]
enum SelectorStep {
    Name(String),
    Index(usize),
    /// `[*]` or `.*`: each member.
    Each,
}

/// What a found value is compared with.
#[derive(Debug)]
pub(crate) enum Operand {
    /// An unquoted number, with its text for values that are strings.
    Number(f64, TextMatcher),
    Text(TextMatcher),
}

/// Reads `{ … }`.
pub(crate) fn parse(pattern: &str) -> Result<Condition, PatternError> {
    let mut parser = Parser { tokens: tokens(within(pattern, '{', '}')?)?, at: 0, depth: 0 };
    let condition = parser.any()?;
    if parser.at < parser.tokens.len() {
        return Err(PatternError::Syntax);
    }
    Ok(condition)
}

impl Condition {
    /// Whether the event meets the condition.
    pub(crate) fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(event)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(event)),
            Self::Is(selector, value) => selector.find(event).contains(&value),
            Self::Exists(selector, wanted) => selector.find(event).is_empty() != *wanted,
            Self::Compare(selector, comparison, operand) => {
                selector.find(event).iter().any(|value| operand.judge(*comparison, value))
            }
        }
    }

    /// Each selector with the text of what it finds.
    pub(crate) fn extract(&self, event: &Value) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        self.visit(&mut |part| {
            let (Self::Compare(selector, ..) | Self::Is(selector, _) | Self::Exists(selector, _)) =
                part
            else {
                return;
            };
            if let Some(text) = selector.find(event).first().and_then(|value| text_of(value)) {
                found.insert(selector.text.clone(), text);
            }
        });
        found
    }

    /// How many operands are regular expressions.
    pub(crate) fn regex_count(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |part| {
            if let Self::Compare(_, _, Operand::Text(matcher)) = part {
                count += usize::from(matcher.is_regex());
            }
        });
        count
    }

    fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&'a Self)) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.visit(visitor));
            }
            leaf => visitor(leaf),
        }
    }
}

impl Operand {
    fn judge(&self, comparison: Comparison, value: &Value) -> bool {
        if let (Self::Number(wanted, _), Some(found)) = (self, value.as_f64()) {
            return comparison.holds(found, *wanted);
        }
        let (Self::Number(_, matcher) | Self::Text(matcher)) = self;
        let Some(text) = text_of(value) else { return false };
        match comparison {
            Comparison::Equal => matcher.covers(&text),
            Comparison::NotEqual => !matcher.covers(&text),
            _ => false,
        }
    }
}

/// The text of a string, number or boolean; objects, arrays and null have none.
/// What a selector finds first in a message that is JSON.
pub(super) fn field(message: &str, selector: &str) -> Option<String> {
    let event = serde_json::from_str::<Value>(message).ok()?;
    let selector = Selector::parse(selector).ok()?;
    selector.find(&event).first().and_then(|value| text_of(value))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Selector {
    /// Reads `$.a.b[0]['c d'][*]`.
    fn parse(text: &str) -> Result<Self, PatternError> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').ok_or(PatternError::Syntax)?;
        while !rest.is_empty() {
            let (step, behind) = selector_step(rest)?;
            steps.push(step);
            rest = behind;
        }
        if steps.is_empty() {
            return Err(PatternError::Syntax);
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    fn find<'a>(&self, event: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![event];
        for step in &self.steps {
            found = found.into_iter().flat_map(|value| step.find(value)).collect();
        }
        found
    }
}

impl SelectorStep {
    fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => items.get(*index).into_iter().collect(),
            (Self::Each, Value::Array(items)) => items.iter().collect(),
            (Self::Each, Value::Object(members)) => members.values().collect(),
            _ => Vec::new(),
        }
    }
}

fn selector_step(text: &str) -> Result<(SelectorStep, &str), PatternError> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let name = &rest[..end];
        let legal = |c: char| c.is_alphanumeric() || "-_@:/#".contains(c);
        return match name {
            "*" => Ok((SelectorStep::Each, &rest[end..])),
            _ if !name.is_empty() && name.chars().all(legal) => {
                Ok((SelectorStep::Name(name.to_owned()), &rest[end..]))
            }
            _ => Err(PatternError::Syntax),
        };
    }
    let inner = text.strip_prefix('[').ok_or(PatternError::Syntax)?;
    for quote in ['\'', '"'] {
        if let Some(body) = inner.strip_prefix(quote) {
            let (name, rest) = body.split_once(quote).ok_or(PatternError::Syntax)?;
            let rest = rest.strip_prefix(']').ok_or(PatternError::Syntax)?;
            return Ok((SelectorStep::Name(name.to_owned()), rest));
        }
    }
    let (index, rest) = inner.split_once(']').ok_or(PatternError::Syntax)?;
    if index.trim() == "*" {
        return Ok((SelectorStep::Each, rest));
    }
    let index = index.trim().parse().map_err(|_| PatternError::Syntax)?;
    Ok((SelectorStep::Index(index), rest))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_if(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, PatternError> {
        let mut parts = vec![self.all()?];
        while self.take_if(&Token::Or) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Condition, PatternError> {
        let mut parts = vec![self.one()?];
        while self.take_if(&Token::And) {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn one(&mut self) -> Result<Condition, PatternError> {
        if self.take_if(&Token::Open) {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(PatternError::Syntax);
            }
            let inner = self.any()?;
            self.depth -= 1;
            return if self.take_if(&Token::Close) { Ok(inner) } else { Err(PatternError::Syntax) };
        }
        let Some(Token::Selector(text)) = self.take() else { return Err(PatternError::Syntax) };
        let selector = Selector::parse(&text)?;
        match self.take() {
            Some(Token::Compare(comparison)) => {
                let operand = operand(&self.operand_token()?)?;
                Ok(Condition::Compare(selector, comparison, operand))
            }
            Some(Token::Word(word)) => self.predicate(selector, &word),
            _ => Err(PatternError::Syntax),
        }
    }

    fn operand_token(&mut self) -> Result<Token, PatternError> {
        self.take().ok_or(PatternError::Syntax)
    }

    fn predicate(&mut self, selector: Selector, word: &str) -> Result<Condition, PatternError> {
        let upper = word.to_ascii_uppercase();
        if upper == "EXISTS" {
            return Ok(Condition::Exists(selector, true));
        }
        let Some(Token::Word(second)) = self.take() else { return Err(PatternError::Syntax) };
        match (upper.as_str(), second.to_ascii_uppercase().as_str()) {
            ("NOT", "EXISTS") => Ok(Condition::Exists(selector, false)),
            ("IS", "NULL") => Ok(Condition::Is(selector, Value::Null)),
            ("IS", "TRUE") => Ok(Condition::Is(selector, Value::Bool(true))),
            ("IS", "FALSE") => Ok(Condition::Is(selector, Value::Bool(false))),
            _ => Err(PatternError::Syntax),
        }
    }
}

/// Reads the right side of a comparison; shared with space-delimited patterns.
pub(crate) fn operand(token: &Token) -> Result<Operand, PatternError> {
    match token {
        Token::Quoted(text) => Ok(Operand::Text(TextMatcher::glob(text))),
        Token::Regex(source) => TextMatcher::regex(source).map(Operand::Text),
        Token::Word(word) => Ok(match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Operand::Number(number, TextMatcher::glob(word)),
            _ => Operand::Text(TextMatcher::glob(word)),
        }),
        _ => Err(PatternError::Syntax),
    }
}
