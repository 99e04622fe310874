//! The words of JSON and space-delimited patterns.

use super::text::PatternError;

/// Parentheses within each other in a pattern. *Ours*: a reader's stack has an end.
pub(crate) const DEPTH_MAX: usize = 64;

/// How a value compares with the pattern's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Judges two numbers.
    pub(crate) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// One word of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    And,
    Or,
    Open,
    Close,
    Comma,
    Compare(Comparison),
    /// `"…"`, unescaped.
    Quoted(String),
    /// `%…%`.
    Regex(String),
    /// `$.a[0]['b c']`, as written.
    Selector(String),
    /// Anything else between blanks and operators.
    Word(String),
}

/// Splits what stands between the braces or brackets of a pattern.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, PatternError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    let regexes = tokens.iter().filter(|token| matches!(token, Token::Regex(_)));
    if regexes.count() > super::REGEX_COUNT_MAX {
        return Err(PatternError::TooManyRegexes);
    }
    Ok(tokens)
}

/// Takes off the pattern's outer braces or brackets.
pub(crate) fn within(pattern: &str, open: char, close: char) -> Result<&str, PatternError> {
    let inner = pattern.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    inner.ok_or(PatternError::Syntax)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// Operators, longest first.
const OPERATORS: [(&str, Token); 11] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("!=", Token::Compare(Comparison::NotEqual)),
    ("<=", Token::Compare(Comparison::LessOrEqual)),
    (">=", Token::Compare(Comparison::GreaterOrEqual)),
    ("=", Token::Compare(Comparison::Equal)),
    ("<", Token::Compare(Comparison::Less)),
    (">", Token::Compare(Comparison::Greater)),
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
];

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Option<Token>, PatternError> {
        self.at = self.text.len() - self.rest().trim_start().len();
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        for (sign, token) in &OPERATORS {
            if self.rest().starts_with(sign) {
                self.at += sign.len();
                return Ok(Some(token.clone()));
            }
        }
        match first {
            '"' => self.quoted().map(|text| Some(Token::Quoted(text))),
            '%' => self.regex().map(|text| Some(Token::Regex(text))),
            '$' => self.selector().map(|text| Some(Token::Selector(text))),
            '&' | '|' | '!' => Err(PatternError::Syntax),
            _ => Ok(Some(Token::Word(self.word()))),
        }
    }

    fn quoted(&mut self) -> Result<String, PatternError> {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((offset, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => text.push(letters.next().ok_or(PatternError::Syntax)?.1),
                _ => text.push(letter),
            }
        }
        Err(PatternError::Syntax)
    }

    fn regex(&mut self) -> Result<String, PatternError> {
        let body = &self.rest()[1..];
        let end = body.find('%').ok_or(PatternError::Syntax)?;
        let text = body[..end].to_owned();
        self.at += end + 2;
        Ok(text)
    }

    /// A selector ends at a blank or an operator outside its brackets.
    fn selector(&mut self) -> Result<String, PatternError> {
        let (mut in_brackets, mut quote, mut end) = (false, None, self.rest().len());
        for (offset, letter) in self.rest().char_indices() {
            match (quote, letter) {
                (Some(open), _) if letter == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') if in_brackets => quote = Some(letter),
                (None, '[') => in_brackets = true,
                (None, ']') if in_brackets => in_brackets = false,
                (None, _) if !in_brackets && ends_word(letter) => {
                    end = offset;
                    break;
                }
                (None, _) => {}
            }
        }
        if in_brackets {
            return Err(PatternError::Syntax);
        }
        let text = self.rest()[..end].to_owned();
        self.at += end;
        Ok(text)
    }

    fn word(&mut self) -> String {
        let end = self.rest().find(ends_word).unwrap_or(self.rest().len());
        let text = self.rest()[..end].to_owned();
        self.at += end;
        text
    }
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || "=!<>&|(),\"%".contains(letter)
}
