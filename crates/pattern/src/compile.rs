//! From the text of a pattern to its alternatives.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::dialect::Dialect;
use crate::error::PatternError;
use crate::expression::expression;
use crate::matcher::Matcher;
use crate::number;
use crate::token::{Token, Tokens};

/// One alternative: what each field must be like.
pub(crate) type Rule = BTreeMap<Vec<String>, Values>;

/// What one field must be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// Any of these.
    pub(crate) matchers: Vec<Matcher>,
    /// How many the pattern lists.
    pub(crate) written: usize,
    /// Bytes of the pattern that they and their field's name take.
    bytes: usize,
}

/// Bytes of a pattern that its alternatives may copy. *Ours*: each alternative has fields and values
/// of its own, so that a text of some KB could ask for as many GB.
const COPIES_BYTES_MAX: usize = 1 << 20;

/// Names of operators, of today and kept for later: no field within `$or` may have them.
const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

pub(crate) fn compile(text: &str, dialect: &Dialect) -> Result<Vec<Rule>, PatternError> {
    let mut compiler = Compiler { tokens: Tokens::new(text), dialect, path: Vec::new(), copies: 0 };
    if compiler.tokens.next()? != Token::StartObject {
        return compiler.tokens.refuse("Filter is not an object");
    }
    let mut rules = Vec::new();
    compiler.object(&mut rules, false)?;
    Ok(rules)
}

struct Compiler<'a> {
    tokens: Tokens<'a>,
    dialect: &'a Dialect,
    path: Vec<String>,
    /// Bytes of the pattern that were copied for alternatives so far.
    copies: usize,
}

impl Compiler<'_> {
    /// The fields of an object, each of which narrows every rule so far.
    fn object(&mut self, rules: &mut Vec<Rule>, in_or: bool) -> Result<(), PatternError> {
        let mut is_empty = true;
        while let Token::Field(name) = self.tokens.next()? {
            is_empty = false;
            if name == "$or" {
                self.either(rules)?;
                continue;
            }
            if in_or && RESERVED.contains(&name.as_str()) {
                return self.tokens.refuse(format!(
                    "{name} is Ruler reserved fieldName which cannot be used inside $or."
                ));
            }
            match self.tokens.next()? {
                Token::StartObject => {
                    self.path.push(name);
                    self.object(rules, in_or)?;
                    self.path.pop();
                }
                Token::StartArray => {
                    let begin = self.tokens.at();
                    let mut values = self.values()?;
                    self.path.push(name);
                    let name = |name: &String| name.len() + size_of::<String>();
                    let path: usize = self.path.iter().map(name).sum();
                    let text = self.tokens.at() - begin;
                    values.bytes = path + text;
                    self.copy(rules.len().max(1), path)?;
                    self.copy(rules.len().saturating_sub(1), text)?;
                    self.narrow(rules, &values);
                    self.path.pop();
                }
                _ => {
                    return self.tokens.refuse(format!("\"{name}\" must be an object or an array"));
                }
            }
        }
        if is_empty { self.tokens.refuse("Empty objects are not allowed") } else { Ok(()) }
    }

    /// `"$or": [{…}, {…}]`: each object makes its own copy of the rules so far.
    fn either(&mut self, rules: &mut Vec<Rule>) -> Result<(), PatternError> {
        if self.tokens.next()? != Token::StartArray {
            return self.tokens.refuse("It must be an Array followed with $or.");
        }
        let so_far = std::mem::take(rules);
        let values = so_far.iter().flat_map(|rule| rule.values());
        let size = values.map(|values| values.bytes).sum();
        let mut branches = 0;
        loop {
            match self.tokens.next()? {
                Token::EndArray if branches < 2 => {
                    return self
                        .tokens
                        .refuse("There must have at least 2 Objects in $or relationship.");
                }
                Token::EndArray => return Ok(()),
                Token::StartObject => {
                    branches += 1;
                    self.copy(1, size)?;
                    let mut branch = so_far.clone();
                    if branch.is_empty() {
                        branch.push(Rule::new());
                    }
                    self.object(&mut branch, true)?;
                    rules.append(&mut branch);
                    self.count(rules)?;
                }
                _ => {
                    return self
                        .tokens
                        .refuse("Only JSON object is allowed in array of $or relationship.");
                }
            }
        }
    }

    fn count(&self, rules: &[Rule]) -> Result<(), PatternError> {
        if rules.len() <= self.dialect.combinations_max {
            return Ok(());
        }
        self.tokens.refuse(format!(
            "Rule is too complex - the number of $or combinations must not exceed {}",
            self.dialect.combinations_max
        ))
    }

    /// Counts what is about to be copied so often, before it is.
    fn copy(&mut self, times: usize, size: usize) -> Result<(), PatternError> {
        self.copies = self.copies.saturating_add(times.saturating_mul(size));
        match self.copies > COPIES_BYTES_MAX {
            true => self.tokens.refuse(format!(
                "Rule is too complex - the bytes of values of all $or combinations must not \
                 exceed {COPIES_BYTES_MAX}"
            )),
            false => Ok(()),
        }
    }

    fn narrow(&self, rules: &mut Vec<Rule>, values: &Values) {
        if rules.is_empty() {
            rules.push(Rule::new());
        }
        for rule in rules {
            rule.insert(self.path.clone(), values.clone());
        }
    }

    fn values(&mut self) -> Result<Values, PatternError> {
        let mut values = Values::default();
        loop {
            match self.tokens.next()? {
                Token::EndArray if values.written == 0 => {
                    return self.tokens.refuse("Empty arrays are not allowed");
                }
                Token::EndArray => return Ok(values),
                Token::StartObject => {
                    values.matchers.push(expression(&mut self.tokens, self.dialect)?);
                }
                Token::Text(text) => values.matchers.push(exact_text(text)),
                Token::Literal(value) => values.matchers.push(Matcher::Exact(value)),
                Token::Number(number, _) => {
                    let comparable = number::of_event(&number);
                    values.matchers.extend(comparable.map(Matcher::Equals));
                    values.matchers.push(Matcher::Exact(Value::Number(number)));
                }
                _ => {
                    return self
                        .tokens
                        .refuse("Match value must be String, number, true, false, or null");
                }
            }
            values.written += 1;
        }
    }
}

/// A text that reads like an address stands for it in all notations.
fn exact_text(text: String) -> Matcher {
    match text.parse::<IpAddr>() {
        Ok(address) => Matcher::Address(address),
        Err(_) => Matcher::Exact(Value::String(text)),
    }
}
