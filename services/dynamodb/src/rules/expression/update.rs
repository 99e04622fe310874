//! `UpdateExpression`.

use haar_wire::AwsError;

use super::super::value::{Attr, Kind as Type};
use super::ast::{Clause, Source};
use super::lexer::Kind;
use super::operand_types::incorrect;
use super::overlap;
use super::parser::Parser;
use super::path::Path;
use super::placeholders::Placeholders;
use crate::refusal::invalid;

/// The sections, each at most once, in any order.
const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// Functions within each other at most. *Ours*.
const DEPTH_MAX: usize = 32;

/// Reads an update.
pub(crate) fn update(text: &str, placeholders: &mut Placeholders) -> Result<Vec<Clause>, AwsError> {
    let read = Parser::new(text, placeholders).and_then(|parser| {
        let clauses = Grammar { parser, depth: 0 }.sections()?;
        overlap::check(&clauses.iter().map(Clause::path).collect::<Vec<_>>())?;
        Ok(clauses)
    });
    read.map_err(|why| invalid(format!("Invalid UpdateExpression: {why}")))
}

struct Grammar<'t, 'p> {
    parser: Parser<'t, 'p>,
    depth: usize,
}

impl Grammar<'_, '_> {
    fn sections(mut self) -> Result<Vec<Clause>, String> {
        let mut clauses = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        while self.parser.peek().kind != Kind::End {
            let section = SECTIONS.into_iter().find(|word| self.parser.is_word(word));
            let section = section.ok_or_else(|| self.parser.unexpected())?;
            if seen.contains(&section) {
                return Err(format!(
                    "The \"{section}\" section can only be used once in an update expression;"
                ));
            }
            seen.push(section);
            self.parser.next();
            clauses.push(self.clause(section)?);
            while self.parser.take_symbol(",") {
                clauses.push(self.clause(section)?);
            }
        }
        Ok(clauses)
    }

    fn clause(&mut self, section: &str) -> Result<Clause, String> {
        let path = self.parser.path()?;
        Ok(match section {
            "SET" => {
                self.parser.expect_symbol("=")?;
                Clause::Set(path, self.sum()?)
            }
            "REMOVE" => Clause::Remove(path),
            "ADD" => {
                Clause::Add(path, self.literal("ADD", |kind| kind == Type::N || kind.is_set())?)
            }
            _ => Clause::Delete(path, self.literal("DELETE", Type::is_set)?),
        })
    }

    fn literal(&mut self, section: &str, fits: impl Fn(Type) -> bool) -> Result<Attr, String> {
        let token = self.parser.peek();
        if token.kind != Kind::Value {
            return Err(self.parser.unexpected());
        }
        self.parser.next();
        let value = self.parser.placeholders.value(token.text)?;
        match fits(value.kind()) {
            true => Ok(value),
            false => Err(format!(
                "Incorrect operand type for operator or function; operator: {section}, operand \
                 type: {}, typeSet: ALLOWED_FOR_{section}_OPERAND",
                value.kind().word()
            )),
        }
    }

    fn sum(&mut self) -> Result<Source, String> {
        let left = self.source()?;
        let operator = ["+", "-"].into_iter().find(|symbol| self.parser.is_symbol(symbol));
        let Some(operator) = operator else { return Ok(left) };
        self.parser.operator()?;
        self.parser.next();
        let right = self.source()?;
        for source in [&left, &right] {
            typed(operator, source, Type::N)?;
        }
        let (left, right) = (Box::new(left), Box::new(right));
        Ok(if operator == "+" { Source::Plus(left, right) } else { Source::Minus(left, right) })
    }

    fn source(&mut self) -> Result<Source, String> {
        let token = self.parser.peek();
        if token.kind == Kind::Value {
            self.parser.next();
            return self.parser.placeholders.value(token.text).map(Source::Value);
        }
        if self.parser.is_symbol("(") {
            self.deeper()?;
            self.parser.next();
            let inner = self.sum()?;
            self.parser.expect_symbol(")")?;
            self.depth -= 1;
            return Ok(inner);
        }
        match self.parser.is_call() {
            true => self.call(token.text),
            false => self.parser.path().map(Source::Path),
        }
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => Err("The expression nests too deeply;".to_owned()),
            false => Ok(()),
        }
    }

    fn call(&mut self, name: &str) -> Result<Source, String> {
        if !matches!(name, "if_not_exists" | "list_append") {
            return Err(match name {
                "attribute_exists"
                | "attribute_not_exists"
                | "attribute_type"
                | "begins_with"
                | "contains"
                | "size" => {
                    format!("The function is not allowed in an update expression; function: {name}")
                }
                _ => format!("Invalid function name; function: {name}"),
            });
        }
        self.deeper()?;
        self.parser.operator()?;
        self.parser.next();
        self.parser.next();
        let mut given = vec![self.source()?];
        while self.parser.take_symbol(",") {
            given.push(self.source()?);
        }
        self.parser.expect_symbol(")")?;
        self.depth -= 1;
        build(name, given)
    }
}

fn build(function: &str, given: Vec<Source>) -> Result<Source, String> {
    let count = given.len();
    let Ok([first, second]) = <[Source; 2]>::try_from(given) else {
        return Err(format!(
            "Incorrect number of operands for operator or function; operator or function: \
             {function}, number of operands: {count}"
        ));
    };
    if function == "if_not_exists" {
        return Ok(Source::IfNotExists(path_of(function, first)?, Box::new(second)));
    }
    for source in [&first, &second] {
        typed(function, source, Type::L)?;
    }
    Ok(Source::ListAppend(Box::new(first), Box::new(second)))
}

fn path_of(function: &str, source: Source) -> Result<Path, String> {
    match source {
        Source::Path(path) => Ok(path),
        _ => Err(format!(
            "Operator or function requires a document path; operator or function: {function}"
        )),
    }
}

/// A value that is given must be of the type that an operator takes.
fn typed(operator: &str, source: &Source, kind: Type) -> Result<(), String> {
    match source {
        Source::Value(value) if value.kind() != kind => {
            Err(incorrect(operator, value.kind().code()))
        }
        Source::ListAppend(..) if kind != Type::L => Err(incorrect(operator, "L")),
        Source::Plus(..) | Source::Minus(..) if kind != Type::N => Err(incorrect(operator, "N")),
        _ => Ok(()),
    }
}
