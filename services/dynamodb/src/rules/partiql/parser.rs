//! Tokens in order, names, paths, parameters.

use super::super::expression::path::{Path, Step};
use super::super::value::Attr;
use super::lexer::{Token, tokens};

/// Parts within each other at most. *Ours*.
const DEPTH_MAX: usize = 60;

/// Reads one statement.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    parameters: std::vec::IntoIter<Attr>,
    depth: usize,
}

impl Parser {
    pub(super) fn new(text: &str, parameters: Vec<Attr>) -> Self {
        Self { tokens: tokens(text), at: 0, parameters: parameters.into_iter(), depth: 0 }
    }

    pub(super) fn peek(&self) -> &Token {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, count: usize) -> &Token {
        &self.tokens[(self.at + count).min(self.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// True once every parameter stood for something.
    pub(super) fn all_used(&self) -> bool {
        self.parameters.len() == 0
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), String> {
        match self.take_word(word) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(text) if *text == symbol)
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), String> {
        match self.take_symbol(symbol) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    pub(super) fn expect_end(&mut self) -> Result<(), String> {
        self.take_symbol(";");
        match self.peek() {
            Token::End => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    /// The next token has no place here.
    pub(super) fn unexpected(&self) -> String {
        match self.peek() {
            Token::End => "Unexpected end of statement".to_owned(),
            Token::Word(text) | Token::Quoted(text) | Token::Text(text) | Token::Number(text) => {
                format!("Unexpected term: {text}")
            }
            Token::Symbol(text) => format!("Unexpected term: {text}"),
            Token::Alien(text) => format!("Unexpected character: {text}"),
        }
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self.peek(), Token::Word(_)) && matches!(self.ahead(1), Token::Symbol("("))
    }

    /// Notes that what follows is one level deeper, until [`Self::leave`].
    pub(super) fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => Err("The statement nests too deeply".to_owned()),
            false => Ok(()),
        }
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// What the next `?` stands for.
    pub(super) fn parameter(&mut self) -> Result<Attr, String> {
        let missing = || "Number of parameters in request and statement don't match.".to_owned();
        self.parameters.next().ok_or_else(missing)
    }

    /// A bare or quoted name.
    pub(super) fn name(&mut self) -> Result<String, String> {
        match self.next() {
            Token::Word(name) | Token::Quoted(name) => Ok(name),
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }

    /// A document path: `a."b"[3]`.
    pub(super) fn path(&mut self) -> Result<Path, String> {
        let mut path = Path::top(self.name()?);
        loop {
            if self.take_symbol(".") {
                path.steps.push(Step::Name(self.name()?));
            } else if self.take_symbol("[") {
                let step = match self.peek() {
                    Token::Number(text) => text.parse().ok().map(Step::Index),
                    Token::Text(text) => Some(Step::Name(text.clone())),
                    _ => None,
                };
                path.steps.push(step.ok_or_else(|| self.unexpected())?);
                self.next();
                self.expect_symbol("]")?;
            } else {
                return Ok(path);
            }
        }
    }
}
