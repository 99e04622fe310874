//! Texts to tokens.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, a function or a bare name.
    Word(String),
    /// `"name"`.
    Quoted(String),
    /// `'text'`.
    Text(String),
    Number(String),
    Symbol(&'static str),
    Alien(char),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 23] = [
    "<<", ">>", "<=", ">=", "<>", "!=", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ".", ":",
    "+", "-", "*", "?", ";",
];

/// All tokens of a text; the last is the end.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = take(rest, first);
        found.push(token);
        rest = rest[length..].trim_start();
    }
    found.push(Token::End);
    found
}

fn take(rest: &str, first: char) -> (Token, usize) {
    let span = |fits: fn(char) -> bool| rest.find(|one| !fits(one)).unwrap_or(rest.len());
    match first {
        '\'' | '"' => match quoted(rest, first) {
            Some((text, length)) if first == '\'' => (Token::Text(text), length),
            Some((text, length)) => (Token::Quoted(text), length),
            None => (Token::Alien(first), first.len_utf8()),
        },
        '0'..='9' => {
            let length = number(rest);
            (Token::Number(rest[..length].to_owned()), length)
        }
        'a'..='z' | 'A'..='Z' | '_' | '$' => {
            let length = span(|one| one.is_ascii_alphanumeric() || one == '_' || one == '$');
            (Token::Word(rest[..length].to_owned()), length)
        }
        other => match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            Some(symbol) => (Token::Symbol(symbol), symbol.len()),
            None => (Token::Alien(other), other.len_utf8()),
        },
    }
}

/// What stands between marks; a mark within is doubled.
fn quoted(rest: &str, mark: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, one)) = chars.next() {
        if one != mark {
            text.push(one);
        } else if chars.peek().is_some_and(|(_, next)| *next == mark) {
            chars.next();
            text.push(mark);
        } else {
            return Some((text, at + 1));
        }
    }
    None
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits =
        |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(length + 1 + sign..).map_or(0, |_| digits(length + 1 + sign));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}
