//! One alternative of a field: what a single value must be like.

use std::net::IpAddr;

use serde_json::Value;

use crate::address::Block;
use crate::number::{self, Range};
use crate::wildcard::Wildcard;

/// What one value of an event must be like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Matcher {
    /// This very text, `true`, `false`, `null`, or number of the same notation.
    Exact(Value),
    /// This address, in any notation.
    Address(IpAddr),
    /// This number, in millionths.
    Equals(i64),
    /// A text that begins so; the flag: whatever its case (then lower-case here).
    Prefix(String, bool),
    /// A text that ends so; the flag: whatever its case (then lower-case here).
    Suffix(String, bool),
    /// This text (lower-case) in any case.
    IgnoreCase(String),
    /// A number in this range.
    Numeric(Range),
    /// An address in this block.
    Cidr(Block),
    /// A text of this form.
    Wildcard(Wildcard),
    /// A value that none of these matches.
    AnythingBut(Vec<Matcher>),
    /// Any value at all.
    Present,
    /// No value at all: the tree answers it, since there is nothing to look at.
    Absent,
}

impl Matcher {
    /// True for a wildcard, be it one of those that nothing may match.
    pub(crate) fn is_wildcard(&self) -> bool {
        match self {
            Self::Wildcard(_) => true,
            Self::AnythingBut(others) => others.iter().any(Self::is_wildcard),
            _ => false,
        }
    }

    /// Judges one leaf: neither an object nor an array.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Exact(expected) => value == expected,
            Self::Address(address) => {
                text.is_some_and(|text| text.parse::<IpAddr>().is_ok_and(|own| own == *address))
            }
            Self::Equals(expected) => millionths(value) == Some(*expected),
            Self::Prefix(prefix, false) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Prefix(prefix, true) => {
                text.is_some_and(|text| text.to_lowercase().starts_with(prefix))
            }
            Self::Suffix(suffix, false) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::Suffix(suffix, true) => {
                text.is_some_and(|text| text.to_lowercase().ends_with(suffix))
            }
            Self::IgnoreCase(lower) => text.is_some_and(|text| text.to_lowercase() == *lower),
            Self::Numeric(range) => millionths(value).is_some_and(|value| range.holds(value)),
            Self::Cidr(block) => text.is_some_and(|text| block.holds(text)),
            Self::Wildcard(wildcard) => text.is_some_and(|text| wildcard.holds(text)),
            Self::AnythingBut(others) => !others.iter().any(|other| other.holds(value)),
            Self::Present => true,
            Self::Absent => false,
        }
    }
}

fn millionths(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number::of_event(number),
        _ => None,
    }
}
