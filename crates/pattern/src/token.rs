//! Reads JSON token by token and knows where it is, as the service's own reader does.
//!
//! The place that a refusal tells is the one behind the token: behind the opening quote of a
//! text that nobody has looked at, and behind the first mark of a field's value once the field's
//! name was read.

use serde_json::{Number, Value};

use crate::error::{PatternError, place};

/// Levels of objects and arrays that are read. *Ours*: the service reads a thousand.
pub const DEPTH_MAX: usize = 200;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    Field(String),
    Text(String),
    /// The number and how it is written.
    Number(Number, String),
    /// `true`, `false` or `null`.
    Literal(Value),
}

/// What stands around the place of reading.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Object,
    Array,
}

pub(crate) struct Tokens<'a> {
    source: &'a str,
    /// Byte from which on nothing was read.
    at: usize,
    /// The place that a refusal tells, as a byte.
    told: usize,
    /// Kind and start of what is open.
    open: Vec<(Level, usize)>,
    /// The value of a field whose name was handed out.
    ahead: Option<Token>,
    /// Nothing was read yet in what is open.
    is_first: bool,
}

type Read<T> = Result<T, PatternError>;

impl<'a> Tokens<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { source, at: 0, told: 0, open: Vec::new(), ahead: None, is_first: true }
    }

    /// The byte from which on nothing was read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// A refusal at this place.
    pub(crate) fn refuse<T>(&self, reason: impl Into<String>) -> Read<T> {
        let (line, column) = self.line_and_column(self.told);
        let source_text = self.source.to_owned();
        Err(PatternError { reason: reason.into(), source_text, line, column })
    }

    pub(crate) fn next(&mut self) -> Read<Token> {
        if let Some(value) = self.ahead.take() {
            return Ok(value);
        }
        let letter = self.skip_space()?;
        match (self.open.last().map(|(level, _)| *level), letter) {
            (Some(Level::Object), '}') => self.close(Token::EndObject),
            (Some(Level::Array), ']') => self.close(Token::EndArray),
            (Some(Level::Object), letter) => {
                self.separator(letter, "Object")?;
                self.field()
            }
            (Some(Level::Array), letter) => {
                self.separator(letter, "Array")?;
                self.skip_space()?;
                self.value()
            }
            (None, _) => self.value(),
        }
    }

    fn close(&mut self, token: Token) -> Read<Token> {
        self.step();
        self.open.pop();
        self.is_first = false;
        Ok(token)
    }

    fn separator(&mut self, letter: char, kind: &str) -> Read<()> {
        if std::mem::take(&mut self.is_first) {
            return Ok(());
        }
        self.step();
        match letter {
            ',' => Ok(()),
            other => {
                self.unexpected(other, &format!("was expecting comma to separate {kind} entries"))
            }
        }
    }

    fn field(&mut self) -> Read<Token> {
        let letter = self.skip_space()?;
        self.step();
        if letter != '"' {
            return self.unexpected(letter, "was expecting double-quote to start field name");
        }
        let name = self.text()?;
        let letter = self.skip_space()?;
        self.step();
        if letter != ':' {
            return self
                .unexpected(letter, "was expecting a colon to separate field name and value");
        }
        self.skip_space()?;
        self.ahead = Some(self.value()?);
        Ok(Token::Field(name))
    }

    fn value(&mut self) -> Read<Token> {
        let (start, letter) = (self.at, self.skip_space()?);
        match letter {
            '{' | '[' => {
                if self.open.len() == DEPTH_MAX {
                    return self.refuse(format!("Document nesting depth exceeds {DEPTH_MAX}"));
                }
                let (level, token) = match letter {
                    '{' => (Level::Object, Token::StartObject),
                    _ => (Level::Array, Token::StartArray),
                };
                self.step();
                self.open.push((level, start));
                self.is_first = true;
                Ok(token)
            }
            '"' => {
                self.step();
                let told = self.told;
                let text = self.text()?;
                self.told = told;
                Ok(Token::Text(text))
            }
            '-' | '0'..='9' => self.number(),
            letter if letter.is_alphabetic() => self.literal(),
            letter => {
                self.step();
                self.unexpected(
                    letter,
                    "expected a valid value (JSON String, Number, Array, Object or token 'null', \
                     'true' or 'false')",
                )
            }
        }
    }

    /// The rest of a text whose opening quote was read.
    fn text(&mut self) -> Read<String> {
        let start = self.at - 1;
        let mut escaped = false;
        for (offset, byte) in self.source.as_bytes()[self.at..].iter().enumerate() {
            match byte {
                b'"' if !escaped => {
                    self.at += offset + 1;
                    self.told = self.at;
                    return match serde_json::from_str(&self.source[start..self.at]) {
                        Ok(text) => Ok(text),
                        Err(_) => self.refuse("Illegal character in a text"),
                    };
                }
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        self.at = self.source.len();
        self.told = self.at;
        self.refuse("Unexpected end-of-input: was expecting closing quote for a string value")
    }

    fn number(&mut self) -> Read<Token> {
        let written = self.run(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        match serde_json::from_str::<Number>(&written) {
            Ok(number) => Ok(Token::Number(number, written)),
            Err(_) => self.refuse(format!("Invalid numeric value: {written}")),
        }
    }

    fn literal(&mut self) -> Read<Token> {
        let word = self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80);
        match word.as_str() {
            "true" => Ok(Token::Literal(Value::Bool(true))),
            "false" => Ok(Token::Literal(Value::Bool(false))),
            "null" => Ok(Token::Literal(Value::Null)),
            _ => self.refuse(format!(
                "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object \
                 or token 'null', 'true' or 'false')"
            )),
        }
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> String {
        let rest = &self.source.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
        let word = self.source[self.at..self.at + length].to_owned();
        self.at += length;
        self.told = self.at;
        word
    }

    fn skip_space(&mut self) -> Read<char> {
        let rest = &self.source[self.at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.at += rest.len() - trimmed.len();
        match trimmed.chars().next() {
            Some(letter) => Ok(letter),
            None => {
                self.told = self.at;
                self.refuse(self.end_of_input())
            }
        }
    }

    fn end_of_input(&self) -> String {
        match self.open.last() {
            None => "No content to map due to end-of-input".to_owned(),
            Some((level, start)) => {
                let kind = if *level == Level::Object { "Object" } else { "Array" };
                let (line, column) = self.line_and_column(*start);
                format!(
                    "Unexpected end-of-input: expected close marker for {kind} (start marker at \
                     {})",
                    place(self.source, line, column)
                )
            }
        }
    }

    fn unexpected<T>(&self, letter: char, expected: &str) -> Read<T> {
        let code = u32::from(letter);
        self.refuse(format!("Unexpected character ('{letter}' (code {code})): {expected}"))
    }

    /// Past the letter at the place of reading.
    fn step(&mut self) {
        self.at += self.source[self.at..].chars().next().map_or(0, char::len_utf8);
        self.told = self.at;
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.source[..at];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }
}
