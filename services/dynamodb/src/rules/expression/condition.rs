//! Conditions: `ConditionExpression`, `FilterExpression`, `KeyConditionExpression`.

use haar_wire::AwsError;

use super::super::value::{Attr, Kind as Type};
use super::ast::{Comparator, Condition, Operand};
use super::lexer::Kind;
use super::operand_types as types;
use super::parser::Parser;
use super::path::Path;
use super::placeholders::Placeholders;
use crate::refusal::invalid;

/// Parentheses within each other at most. *Ours*: AWS bounds operators alone.
const DEPTH_MAX: usize = 150;

/// Values of an `IN` at most.
const IN_MAX: usize = 100;

/// Reads a condition; `parameter` names it in errors.
pub(crate) fn condition(
    parameter: &str,
    text: &str,
    placeholders: &mut Placeholders,
) -> Result<Condition, AwsError> {
    let read = Parser::new(text, placeholders).and_then(|parser| {
        let mut grammar = Grammar { parser, depth: 0, group: None };
        let condition = grammar.or()?;
        grammar.parser.expect_end()?;
        Ok(condition)
    });
    read.map_err(|why| invalid(format!("Invalid {parameter}: {why}")))
}

struct Grammar<'t, 'p> {
    parser: Parser<'t, 'p>,
    depth: usize,
    /// From where to where the last pair of parentheses goes.
    group: Option<(usize, usize)>,
}

/// An operand, or a function that is a condition by itself.
enum Term {
    Operand(Operand),
    Condition(&'static str, Condition),
}

impl Grammar<'_, '_> {
    fn or(&mut self) -> Result<Condition, String> {
        let mut left = self.and()?;
        while self.parser.take_word("OR") {
            self.parser.operator()?;
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Condition, String> {
        let mut left = self.not()?;
        while self.parser.take_word("AND") {
            self.parser.operator()?;
            left = Condition::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Condition, String> {
        self.deeper()?;
        let read = match self.parser.is_word("NOT") {
            true => {
                self.parser.next();
                self.parser.operator()?;
                self.not().map(|inner| Condition::Not(Box::new(inner)))
            }
            false if self.parser.is_symbol("(") => self.parenthesised(),
            false => self.comparison(),
        };
        self.depth -= 1;
        read
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => Err("The expression nests too deeply;".to_owned()),
            false => Ok(()),
        }
    }

    fn parenthesised(&mut self) -> Result<Condition, String> {
        self.parser.expect_symbol("(")?;
        let from = self.parser.place();
        let inner = self.or()?;
        if self.group == Some((from, self.parser.place())) && self.parser.is_symbol(")") {
            return Err("The expression has redundant parentheses;".to_owned());
        }
        self.parser.expect_symbol(")")?;
        self.group = Some((from - 1, self.parser.place()));
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Condition, String> {
        let left = match self.term()? {
            Term::Condition(_, condition) if !self.compares() => return Ok(condition),
            Term::Condition(function, _) => return Err(misused(function)),
            Term::Operand(operand) => operand,
        };
        if let Some(comparator) = self.comparator() {
            self.parser.next();
            self.parser.operator()?;
            let right = self.operand()?;
            types::compared(comparator, &left, &right)?;
            return Ok(Condition::Compare(left, comparator, right));
        }
        if self.parser.take_word("BETWEEN") {
            self.parser.operator()?;
            let low = self.operand()?;
            if !self.parser.take_word("AND") {
                return Err(self.parser.unexpected());
            }
            let high = self.operand()?;
            types::between(&left, &low, &high)?;
            return Ok(Condition::Between(left, low, high));
        }
        if self.parser.take_word("IN") {
            self.parser.operator()?;
            return self.list_of(left);
        }
        match left {
            Operand::Size(_) => Err(misused("size")),
            _ => Err(self.parser.unexpected()),
        }
    }

    fn compares(&self) -> bool {
        self.comparator().is_some() || self.parser.is_word("BETWEEN") || self.parser.is_word("IN")
    }

    fn comparator(&self) -> Option<Comparator> {
        let token = self.parser.peek();
        Comparator::of(token.text).filter(|_| token.kind == Kind::Symbol)
    }

    fn list_of(&mut self, left: Operand) -> Result<Condition, String> {
        self.parser.expect_symbol("(")?;
        let mut all = vec![self.operand()?];
        while self.parser.take_symbol(",") {
            all.push(self.operand()?);
        }
        self.parser.expect_symbol(")")?;
        if all.len() > IN_MAX {
            return Err(format!(
                "The IN operator is provided with too many operands; number of operands: {}",
                all.len()
            ));
        }
        Ok(Condition::In(left, all))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.term()? {
            Term::Operand(operand) => Ok(operand),
            Term::Condition(function, _) => Err(misused(function)),
        }
    }

    fn term(&mut self) -> Result<Term, String> {
        let token = self.parser.peek();
        if token.kind == Kind::Value {
            self.parser.next();
            return self
                .parser
                .placeholders
                .value(token.text)
                .map(|it| Term::Operand(Operand::Value(it)));
        }
        match self.parser.is_call() {
            true => self.call(token.text),
            false => self.parser.path().map(|path| Term::Operand(Operand::Path(path))),
        }
    }

    fn call(&mut self, name: &str) -> Result<Term, String> {
        let function = match name {
            "attribute_exists" => "attribute_exists",
            "attribute_not_exists" => "attribute_not_exists",
            "attribute_type" => "attribute_type",
            "begins_with" => "begins_with",
            "contains" => "contains",
            "size" => "size",
            "if_not_exists" | "list_append" => {
                return Err(format!(
                    "The function is not allowed in a condition expression; function: {name}"
                ));
            }
            _ => return Err(format!("Invalid function name; function: {name}")),
        };
        self.parser.operator()?;
        self.parser.next();
        self.parser.next();
        let mut given = vec![self.operand()?];
        while self.parser.take_symbol(",") {
            given.push(self.operand()?);
        }
        self.parser.expect_symbol(")")?;
        build(function, given)
    }
}

fn build(function: &'static str, given: Vec<Operand>) -> Result<Term, String> {
    let count = given.len();
    let counted = || {
        format!(
            "Incorrect number of operands for operator or function; operator or function: \
             {function}, number of operands: {count}"
        )
    };
    let wanted =
        if matches!(function, "attribute_type" | "begins_with" | "contains") { 2 } else { 1 };
    if count != wanted {
        return Err(counted());
    }
    let mut given = given.into_iter();
    let first = given.next().ok_or_else(counted)?;
    if function == "size" {
        types::sized(&first)?;
        return Ok(Term::Operand(Operand::Size(Box::new(first))));
    }
    let condition = match (function, given.next()) {
        ("attribute_exists", _) => Condition::Exists(path_of(function, first)?),
        ("attribute_not_exists", _) => Condition::NotExists(path_of(function, first)?),
        ("attribute_type", Some(second)) => {
            Condition::TypeIs(path_of(function, first)?, type_of(second)?)
        }
        ("begins_with", Some(second)) => {
            types::begins(&first, &second)?;
            Condition::BeginsWith(first, second)
        }
        (_, Some(second)) => {
            types::distinct(function, &first, &second)?;
            Condition::Contains(first, second)
        }
        (_, None) => return Err(counted()),
    };
    Ok(Term::Condition(function, condition))
}

fn path_of(function: &str, operand: Operand) -> Result<Path, String> {
    match operand {
        Operand::Path(path) => Ok(path),
        _ => Err(format!(
            "Operator or function requires a document path; operator or function: {function}"
        )),
    }
}

fn type_of(operand: Operand) -> Result<Type, String> {
    match operand {
        Operand::Value(Attr::S(code)) => Type::of_code(&code).ok_or_else(|| {
            format!(
                "Invalid attribute type name found; type: {code}, valid types: \
                 {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
            )
        }),
        Operand::Value(other) => Err(types::incorrect("attribute_type", other.kind().code())),
        _ => Err(types::incorrect("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")),
    }
}

fn misused(function: &str) -> String {
    format!(
        "The function is not allowed to be used this way in an expression; function: {function}"
    )
}
