//! Filter patterns: which log events `FilterLogEvents`, live tail and metric filters match.
//!
//! AWS docs: *Amazon CloudWatch Logs User Guide > Filter pattern syntax for metric filters,
//! subscription filters, filter log events, and Live Tail*. A pattern is one of: nothing (all
//! events), terms, a JSON condition in braces, or space-delimited fields in brackets.

mod fields;
mod json;
mod lexer;
mod terms;
mod text;

use std::collections::BTreeMap;

pub(crate) use text::PatternError;

use fields::Fields;
use json::Condition;
use terms::Terms;

/// Most regular expressions in one pattern; more are not even read.
const REGEX_COUNT_MAX: usize = 2;

/// A parsed filter pattern.
#[derive(Debug)]
pub(crate) enum FilterPattern {
    /// Matches every event.
    All,
    /// `ERROR -DEBUG ?a ?b "two words" %regex%`.
    Terms(Terms),
    /// `{ $.level = "ERROR" && $.latency > 100 }`.
    Json(Condition),
    /// `[ip, user, ..., status = 4*, bytes]`.
    Fields(Fields),
}

impl FilterPattern {
    /// Reads a pattern as a customer writes it.
    pub(crate) fn parse(pattern: &str) -> Result<Self, PatternError> {
        let trimmed = pattern.trim();
        Ok(match trimmed.bytes().next() {
            None => Self::All,
            Some(b'{') => Self::Json(json::parse(trimmed)?),
            Some(b'[') => Self::Fields(fields::parse(trimmed)?),
            Some(_) => Self::Terms(terms::parse(trimmed)?),
        })
    }

    /// Whether an event with this message matches.
    pub(crate) fn matches(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(terms) => terms.match_message(message),
            Self::Json(condition) => {
                serde_json::from_str(message).is_ok_and(|event| condition.holds(&event))
            }
            Self::Fields(fields) => fields.match_message(message),
        }
    }

    /// What the pattern's names stand for in a matching message, as `TestMetricFilter` shows.
    pub(crate) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        match self {
            Self::All | Self::Terms(_) => BTreeMap::new(),
            Self::Json(condition) => serde_json::from_str(message)
                .map(|event| condition.extract(&event))
                .unwrap_or_default(),
            Self::Fields(fields) => fields.extract(message),
        }
    }

    /// What a field of a matching message is: `$.latency` of JSON, `$bytes` of columns.
    pub(crate) fn field(&self, message: &str, field: &str) -> Option<String> {
        match self {
            Self::Fields(fields) => fields.extract(message).remove(field),
            Self::All | Self::Terms(_) | Self::Json(_) => json::field(message, field),
        }
    }

    /// Whether it holds a regular expression: such a pattern takes longer to read.
    pub(crate) fn has_regex(&self) -> bool {
        let count = match self {
            Self::All => 0,
            Self::Terms(terms) => terms.regex_count(),
            Self::Json(condition) => condition.regex_count(),
            Self::Fields(fields) => fields.regex_count(),
        };
        count > 0
    }
}

#[cfg(test)]
mod tests;
