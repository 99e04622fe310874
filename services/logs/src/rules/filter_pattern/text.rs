//! What a value is compared with: exact texts, texts with `*`, and regular expressions.

use regex::Regex;

/// Why a text is no filter pattern; shown to the customer as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// A term has characters that need quotes.
    #[error("Invalid character(s) in term '{0}'")]
    Term(String),
    /// Braces, brackets, quotes, operators or selectors are amiss.
    #[error("Invalid filter pattern")]
    Syntax,
    /// A regular expression uses what CloudWatch Logs does not support.
    #[error("Invalid regular expression in filter pattern: {0}")]
    Regex(String),
    /// More regular expressions than one pattern may hold.
    #[error("Filter pattern can contain at most 2 regular expressions")]
    TooManyRegexes,
}

/// A text to look for.
#[derive(Clone, Debug)]
pub(crate) enum TextMatcher {
    /// The text itself.
    Exact(String),
    /// The pieces between its `*`s; at least two.
    Glob(Vec<String>),
    /// `%…%`.
    Regex(Regex),
}

impl TextMatcher {
    /// A text in which `*` stands for any characters.
    pub(crate) fn glob(text: &str) -> Self {
        if text.contains('*') {
            Self::Glob(text.split('*').map(str::to_owned).collect())
        } else {
            Self::Exact(text.to_owned())
        }
    }

    /// The regular expression between two `%`.
    pub(crate) fn regex(source: &str) -> Result<Self, PatternError> {
        const ALLOWED: &str = "_#=@/;,-: ^$?[]{}|\\*+.";
        let allowed = |c: char| c.is_ascii_alphanumeric() || ALLOWED.contains(c);
        if source.is_empty() || !source.chars().all(allowed) {
            return Err(PatternError::Regex(source.to_owned()));
        }
        let built = haar_wire::customers_regex(source).map(Self::Regex);
        built.ok_or_else(|| PatternError::Regex(source.to_owned()))
    }

    /// Whether all of `value` matches (a regular expression may match any part of it).
    pub(crate) fn covers(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => text == value,
            Self::Glob(pieces) => glob_covers(pieces, value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// Whether some part of `value` matches.
    pub(crate) fn is_in(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value.contains(text.as_str()),
            Self::Glob(_) => self.covers(value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// Whether this is a regular expression.
    pub(crate) fn is_regex(&self) -> bool {
        matches!(self, Self::Regex(_))
    }
}

fn glob_covers(pieces: &[String], value: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (glob, value) in [
            ("a*", "abc"),
            ("*", ""),
            ("*c", "abc"),
            ("a*c", "ac"),
            ("1.*.*.4", "1.22.3.4"),
            ("*.html*", "GET /x.html?q"),
        ] {
            assert!(TextMatcher::glob(glob).covers(value), "{glob} {value}");
        }
        for (glob, value) in [("a*", "ba"), ("ab*ba", "aba"), ("a", "ab"), ("a*b*c", "acb")] {
            assert!(!TextMatcher::glob(glob).covers(value), "{glob} {value}");
        }
    }

    #[test]
    fn a_regex_with_groups_or_odd_symbols_is_refused() {
        for source in ["(a)", "a!", "é", "[", ""] {
            assert!(TextMatcher::regex(source).is_err(), "{source}");
        }
    }
}
