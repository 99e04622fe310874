//! Texts to tokens.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a function.
    Word,
    /// `#name`.
    Name,
    /// `:value`.
    Value,
    /// The position in a list.
    Number,
    /// Anything of punctuation, `<=` and `<>` in one.
    Symbol,
    /// A character that has no place in expressions.
    Alien,
    /// Behind the last.
    End,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) from: usize,
}

impl Token<'_> {
    /// Where it ends.
    pub(super) fn to(&self) -> usize {
        match self.kind {
            Kind::End => self.from,
            _ => self.from + self.text.len(),
        }
    }
}

/// All tokens of a text; the last is the end.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(first) = text[from..].chars().next() {
        if first.is_whitespace() {
            from += first.len_utf8();
            continue;
        }
        let (kind, length) = measure(&text[from..], first);
        found.push(Token { kind, text: &text[from..from + length], from });
        from += length;
    }
    found.push(Token { kind: Kind::End, text: "<EOF>", from: text.len() });
    found
}

fn measure(rest: &str, first: char) -> (Kind, usize) {
    let word = |skip: usize| {
        let length = rest[skip..].bytes().take_while(|byte| is_word(*byte)).count();
        skip + length
    };
    match first {
        'a'..='z' | 'A'..='Z' => (Kind::Word, word(0)),
        '#' | ':' if word(1) > 1 => (if first == '#' { Kind::Name } else { Kind::Value }, word(1)),
        '0'..='9' => (Kind::Number, rest.bytes().take_while(u8::is_ascii_digit).count()),
        '<' if rest.starts_with("<>") || rest.starts_with("<=") => (Kind::Symbol, 2),
        '>' if rest.starts_with(">=") => (Kind::Symbol, 2),
        '<' | '>' | '=' | '(' | ')' | '[' | ']' | ',' | '.' | '+' | '-' => (Kind::Symbol, 1),
        other => (Kind::Alien, other.len_utf8()),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
