//! Unstructured patterns: terms that a message must, may or must not contain.

use super::text::{PatternError, TextMatcher};

/// The terms of one pattern. Matching knows upper and lower case and looks for substrings.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    required: Vec<TextMatcher>,
    /// `?term`: one of them suffices; of no account beside required or excluded terms.
    optional: Vec<TextMatcher>,
    /// `-term`.
    excluded: Vec<TextMatcher>,
}

impl Terms {
    /// Whether the message has what it must and lacks what it must not have.
    pub(crate) fn match_message(&self, message: &str) -> bool {
        if self.required.is_empty() && self.excluded.is_empty() {
            return self.optional.iter().any(|term| term.is_in(message));
        }
        self.required.iter().all(|term| term.is_in(message))
            && !self.excluded.iter().any(|term| term.is_in(message))
    }

    /// How many terms are regular expressions.
    pub(crate) fn regex_count(&self) -> usize {
        let all = self.required.iter().chain(&self.optional).chain(&self.excluded);
        all.filter(|term| term.is_regex()).count()
    }
}

/// Reads a pattern that is neither in braces nor in brackets.
pub(crate) fn parse(pattern: &str) -> Result<Terms, PatternError> {
    let mut terms = Terms::default();
    let mut rest = pattern.trim_start();
    while let Some(first) = rest.chars().next() {
        let list = match first {
            '?' => &mut terms.optional,
            '-' => &mut terms.excluded,
            _ => &mut terms.required,
        };
        let body = if matches!(first, '?' | '-') { &rest[1..] } else { rest };
        let (term, behind) = term(body)?;
        list.push(term);
        if terms.regex_count() > super::REGEX_COUNT_MAX {
            return Err(PatternError::TooManyRegexes);
        }
        rest = behind.trim_start();
    }
    Ok(terms)
}

fn term(text: &str) -> Result<(TextMatcher, &str), PatternError> {
    if let Some(body) = text.strip_prefix('"') {
        return quoted(body);
    }
    if let Some(body) = text.strip_prefix('%') {
        let end = body.find('%').ok_or(PatternError::Syntax)?;
        return Ok((TextMatcher::regex(&body[..end])?, &body[end + 1..]));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..end];
    if word.is_empty() {
        return Err(PatternError::Syntax);
    }
    if !word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') {
        return Err(PatternError::Term(word.to_owned()));
    }
    Ok((TextMatcher::Exact(word.to_owned()), &text[end..]))
}

fn quoted(body: &str) -> Result<(TextMatcher, &str), PatternError> {
    let mut phrase = String::new();
    let mut letters = body.char_indices();
    while let Some((offset, letter)) = letters.next() {
        match letter {
            '"' => return Ok((TextMatcher::Exact(phrase), &body[offset + 1..])),
            '\\' => phrase.push(letters.next().ok_or(PatternError::Syntax)?.1),
            _ => phrase.push(letter),
        }
    }
    Err(PatternError::Syntax)
}
