//! Condition operators: how one value of the request is compared with one of the policy.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::glob::{Glob, matches};
use crate::resource::covers_arn;

/// How values are compared, without their negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    BinaryEquals,
    IpAddress,
    Arn,
    Null,
}

/// Which orders of (request's value, policy's value) hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A comparison and whether it is negated: `StringNotLike`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) comparison: Comparison,
    pub(crate) negated: bool,
}

impl Operator {
    /// Finds an operator by its name, without prefix and `IfExists`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        use Comparison::{
            Arn, BinaryEquals, Bool, Date, IpAddress, Null, Numeric, StringEquals,
            StringEqualsIgnoreCase, StringLike,
        };
        use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let (comparison, negated) = match name {
            "StringEquals" => (StringEquals, false),
            "StringNotEquals" => (StringEquals, true),
            "StringEqualsIgnoreCase" => (StringEqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (StringEqualsIgnoreCase, true),
            "StringLike" => (StringLike, false),
            "StringNotLike" => (StringLike, true),
            "NumericEquals" => (Numeric(Equal), false),
            "NumericNotEquals" => (Numeric(Equal), true),
            "NumericLessThan" => (Numeric(Less), false),
            "NumericLessThanEquals" => (Numeric(LessOrEqual), false),
            "NumericGreaterThan" => (Numeric(Greater), false),
            "NumericGreaterThanEquals" => (Numeric(GreaterOrEqual), false),
            "DateEquals" => (Date(Equal), false),
            "DateNotEquals" => (Date(Equal), true),
            "DateLessThan" => (Date(Less), false),
            "DateLessThanEquals" => (Date(LessOrEqual), false),
            "DateGreaterThan" => (Date(Greater), false),
            "DateGreaterThanEquals" => (Date(GreaterOrEqual), false),
            "Bool" => (Bool, false),
            "BinaryEquals" => (BinaryEquals, false),
            "IpAddress" => (IpAddress, false),
            "NotIpAddress" => (IpAddress, true),
            "ArnEquals" | "ArnLike" => (Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Arn, true),
            "Null" => (Null, false),
            _ => return None,
        };
        Some(Self { comparison, negated })
    }

    /// True for operators whose values have wildcards.
    pub(crate) fn has_wildcards(self) -> bool {
        matches!(self.comparison, Comparison::StringLike | Comparison::Arn)
    }

    /// True for operators whose values have variables: those of texts and ARNs.
    pub(crate) fn has_variables(self) -> bool {
        use Comparison::{Arn, StringEquals, StringEqualsIgnoreCase, StringLike};
        matches!(self.comparison, StringEquals | StringEqualsIgnoreCase | StringLike | Arn)
    }
}

impl Comparison {
    /// Compares without regard to negation; values that cannot be read compare as unequal.
    pub(crate) fn holds(self, ours: &str, pattern: &[Glob], theirs: &str) -> bool {
        match self {
            Self::StringEquals | Self::StringLike => matches(pattern, ours, false),
            Self::StringEqualsIgnoreCase => matches(pattern, ours, true),
            Self::Numeric(order) => match (number(ours), number(theirs)) {
                (Some(ours), Some(theirs)) => order.holds(ours.partial_cmp(&theirs)),
                _ => false,
            },
            Self::Date(order) => match (date(ours), date(theirs)) {
                (Some(ours), Some(theirs)) => order.holds(Some(ours.cmp(&theirs))),
                _ => false,
            },
            Self::Bool => ours.eq_ignore_ascii_case(theirs),
            Self::BinaryEquals => match (STANDARD.decode(ours), STANDARD.decode(theirs)) {
                (Ok(ours), Ok(theirs)) => ours == theirs,
                _ => false,
            },
            Self::IpAddress => is_in_network(ours, theirs).unwrap_or(false),
            Self::Arn => ours.starts_with("arn:") && covers_arn(pattern, ours),
            Self::Null => false, // answered by the key's presence, not by its values
        }
    }
}

impl Order {
    fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        use std::cmp::Ordering;
        let Some(order) = order else { return false };
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Milliseconds since the epoch, from ISO 8601 (a date alone included) or epoch seconds.
fn date(text: &str) -> Option<i128> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(i128::from(seconds) * 1000);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(i128::from(at.as_millisecond()));
    }
    let day: jiff::civil::DateTime = text.parse().ok()?;
    let at = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(i128::from(at.as_millisecond()))
}

fn is_in_network(address: &str, network: &str) -> Option<bool> {
    let address: IpAddr = address.parse().ok()?;
    let (base, bits) = match network.split_once('/') {
        Some((base, bits)) => (base, Some(bits.parse::<u32>().ok()?)),
        None => (network, None),
    };
    match (address.to_canonical(), base.parse::<IpAddr>().ok()?) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let bits = bits.unwrap_or(32);
            let mask =
                if bits == 0 { 0 } else { u32::MAX.checked_shl(32_u32.checked_sub(bits)?)? };
            Some(u32::from(address) & mask == u32::from(base) & mask)
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let bits = bits.unwrap_or(128);
            let shift = 128_u32.checked_sub(bits)?;
            let mask = if bits == 0 { 0 } else { u128::MAX.checked_shl(shift)? };
            Some(u128::from(address) & mask == u128::from(base) & mask)
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_by_their_operator() {
        for (name, ours, theirs, expected) in [
            ("StringEquals", "a*", "a*", true),
            ("StringEquals", "ab", "A*", false),
            ("StringEqualsIgnoreCase", "Team", "tEAM", true),
            ("StringLike", "team-a", "team-?", true),
            ("NumericLessThan", "9", "10", true),
            ("NumericEquals", "1.0", "1", true),
            ("NumericGreaterThanEquals", "x", "1", false),
            ("DateLessThan", "2026-01-31T09:30:00Z", "2026-02-01", true),
            ("DateEquals", "1769851800", "2026-01-31T09:30:00Z", true),
            ("Bool", "true", "True", true),
            ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", true),
            ("IpAddress", "203.0.113.9", "203.0.113.0/24", true),
            ("IpAddress", "203.0.114.9", "203.0.113.0/24", false),
            ("IpAddress", "10.1.2.3", "0.0.0.0/0", true),
            ("IpAddress", "10.1.2.3", "10.1.2.3", true),
            ("IpAddress", "2001:db8::1", "2001:db8::/32", true),
            ("IpAddress", "10.1.2.3", "::/0", false),
            ("IpAddress", "10.1.2.3", "10.0.0.0/99", false),
            ("ArnLike", "arn:aws:sns:r:1:topic", "arn:aws:sns:*:*:t*", true),
            ("ArnEquals", "arn:aws:sns:r:1:topic", "arn:aws:sns:*:topic", false),
        ] {
            let operator = Operator::named(name).unwrap();
            let pattern: Vec<Glob> = if operator.has_wildcards() {
                Glob::parse(theirs)
            } else {
                theirs.chars().map(Glob::Letter).collect()
            };
            let holds = operator.comparison.holds(ours, &pattern, theirs);
            assert_eq!(holds, expected, "{name}({ours}, {theirs})");
        }
    }
}
