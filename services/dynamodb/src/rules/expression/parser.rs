//! What all grammars share: tokens in order, document paths, errors that quote their place.

use super::lexer::{Kind, Token, tokens};
use super::path::{Path, Step};
use super::placeholders::Placeholders;
use super::reserved::is_reserved;

/// Bytes of an expression at most.
const BYTES_MAX: usize = 4096;
/// Operators and functions of an expression at most.
const OPERATORS_MAX: usize = 300;
/// The highest place in a list that can be named.
const INDEX_MAX: usize = u32::MAX as usize - 1;

/// Reads one expression.
pub(super) struct Parser<'t, 'p> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
    operator_count: usize,
    pub(super) placeholders: &'p mut Placeholders,
}

impl<'t, 'p> Parser<'t, 'p> {
    pub(super) fn new(text: &'t str, placeholders: &'p mut Placeholders) -> Result<Self, String> {
        let tokens = tokens(text);
        if tokens.len() == 1 {
            return Err("The expression can not be empty;".to_owned());
        }
        if text.len() > BYTES_MAX {
            return Err(format!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            ));
        }
        Ok(Self { text, tokens, at: 0, operator_count: 0, placeholders })
    }

    /// How many tokens were taken.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Token<'t> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, count: usize) -> Token<'t> {
        let last = self.tokens.len() - 1;
        self.tokens[(self.at + count).min(last)]
    }

    pub(super) fn next(&mut self) -> Token<'t> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// True where the next token is this keyword, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word)
    }

    /// Takes this keyword, if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    /// True where the next token is this symbol.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Symbol && token.text == symbol
    }

    /// Takes this symbol, if it is next.
    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes this symbol.
    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<(), String> {
        match self.take_symbol(symbol) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    /// Counts one more operator or function. AWS docs: *Developer Guide > Quotas*, Expression
    /// parameters.
    pub(super) fn operator(&mut self) -> Result<(), String> {
        self.operator_count += 1;
        match self.operator_count > OPERATORS_MAX {
            true => Err(format!(
                "The expression contains too many operators; operator count: {}",
                self.operator_count
            )),
            false => Ok(()),
        }
    }

    /// Refuses anything that is left.
    pub(super) fn expect_end(&self) -> Result<(), String> {
        match self.peek().kind {
            Kind::End => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    /// The next token has no place here.
    pub(super) fn unexpected(&self) -> String {
        let token = self.peek();
        let before = self.at.min(self.tokens.len() - 1).saturating_sub(1);
        let near = &self.text[self.tokens[before].from..self.ahead(1).to()];
        format!("Syntax error; token: \"{}\", near: \"{near}\"", token.text)
    }

    /// True where a function is called.
    pub(super) fn is_call(&self) -> bool {
        let behind = self.ahead(1);
        self.peek().kind == Kind::Word && behind.kind == Kind::Symbol && behind.text == "("
    }

    /// A document path: `a.#b[3].c`.
    pub(super) fn path(&mut self) -> Result<Path, String> {
        let mut path = Path::top(self.path_name()?);
        loop {
            if self.take_symbol(".") {
                path.steps.push(Step::Name(self.path_name()?));
            } else if self.take_symbol("[") {
                path.steps.push(Step::Index(self.index()?));
                self.expect_symbol("]")?;
            } else {
                return Ok(path);
            }
        }
    }

    fn index(&mut self) -> Result<usize, String> {
        let token = self.peek();
        if token.kind != Kind::Number {
            return Err(self.unexpected());
        }
        self.next();
        let index = token.text.parse().ok().filter(|index| *index <= INDEX_MAX);
        index.ok_or_else(|| {
            format!("List index is not within the allowable range; index: [{}]", token.text)
        })
    }

    fn path_name(&mut self) -> Result<String, String> {
        let token = self.peek();
        match token.kind {
            Kind::Name => {
                self.next();
                self.placeholders.name(token.text)
            }
            Kind::Word if is_reserved(token.text) => Err(format!(
                "Attribute name is a reserved keyword; reserved keyword: {}",
                token.text
            )),
            Kind::Word => {
                self.next();
                Ok(token.text.to_owned())
            }
            _ => Err(self.unexpected()),
        }
    }
}
