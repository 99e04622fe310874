//! `{"wildcard": "a*b"}`: a star stands for any text, none included.

/// A compiled wildcard: literal pieces with stars between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wildcard {
    pieces: Vec<String>,
}

impl Wildcard {
    /// Reads a wildcard; `\*` and `\\` stand for themselves.
    ///
    /// # Errors
    /// The service's words, which count bytes from the opening quote.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = vec![String::new()];
        let mut rest = text.char_indices().peekable();
        while let Some((at, letter)) = rest.next() {
            let next = rest.peek().map(|(_, letter)| *letter);
            let literal = match (letter, next) {
                ('*', Some('*')) => {
                    return Err(format!("Consecutive wildcard characters at pos {}", at + 1));
                }
                ('*', _) => {
                    pieces.push(String::new());
                    continue;
                }
                ('\\', Some(escaped @ ('*' | '\\'))) => {
                    rest.next();
                    escaped
                }
                ('\\', _) => return Err(format!("Invalid escape character at pos {}", at + 1)),
                (other, _) => other,
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(literal);
            }
        }
        Ok(Self { pieces })
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &self.pieces[..] else {
            return self.pieces.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}
