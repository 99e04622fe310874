//! `FilterCriteria` of event source mappings: event patterns as JSON text.

use serde_json::Value;

use crate::refusal::Refusal;

/// Patterns per mapping; more is a quota increase on AWS.
pub const FILTERS_MAX: usize = 10;

/// Refuses patterns that EventBridge's rules do not know.
///
/// # Errors
/// When there are too many, or one is no pattern.
pub fn check<'a>(patterns: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Refusal> {
    if patterns.len() > FILTERS_MAX {
        return Err(Refusal::invalid(
            "Number of items in filter criteria exceeds the limit of 10.",
        ));
    }
    for pattern in patterns {
        let is_pattern = serde_json::from_str::<Value>(pattern)
            .is_ok_and(|value| value.is_object() && is_node(&value));
        if !is_pattern {
            return Err(Refusal::invalid("Invalid filter pattern definition."));
        }
    }
    Ok(())
}

/// An object of nodes, or a non-empty list of alternatives.
fn is_node(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().all(|(key, value)| {
            if key == "$or" {
                return value.as_array().is_some_and(|any| {
                    any.len() >= 2 && any.iter().all(|of| of.is_object() && is_node(of))
                });
            }
            is_node(value)
        }),
        Value::Array(alternatives) => {
            !alternatives.is_empty() && alternatives.iter().all(is_alternative)
        }
        _ => false,
    }
}

/// A plain value, or one comparison.
fn is_alternative(value: &Value) -> bool {
    let Value::Object(comparison) = value else { return !value.is_array() };
    let [(operator, operand)] = comparison.iter().collect::<Vec<_>>()[..] else { return false };
    match operator.as_str() {
        "exists" => operand.is_boolean(),
        "prefix" | "suffix" => {
            operand.is_string() || operand.get("equals-ignore-case").is_some_and(Value::is_string)
        }
        "equals-ignore-case" | "wildcard" | "cidr" => operand.is_string(),
        "anything-but" => !operand.is_null() && !operand.is_boolean(),
        "numeric" => is_numeric(operand),
        _ => false,
    }
}

/// `["=", 5]`, `[">", 0, "<=", 5]`.
fn is_numeric(operand: &Value) -> bool {
    let Some(terms) = operand.as_array().filter(|terms| matches!(terms.len(), 2 | 4)) else {
        return false;
    };
    terms.chunks(2).all(|term| {
        matches!(term[0].as_str(), Some("=" | "<" | "<=" | ">" | ">=")) && term[1].is_number()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(pattern: &str) -> Result<(), Refusal> {
        check([pattern].into_iter())
    }

    #[test]
    fn patterns_of_all_kinds_are_taken() {
        for pattern in [
            r#"{"body":{"temperature":[{"numeric":[">",0,"<=",100]}],"city":["Berlin",null]}}"#,
            r#"{"eventName":["INSERT"],"dynamodb":{"Keys":{"Id":{"S":[{"prefix":"a"}]}}}}"#,
            r#"{"$or":[{"a":[1]},{"b":[{"exists":false}]}]}"#,
            r#"{"a":[{"anything-but":["x","y"]},{"equals-ignore-case":"Z"}]}"#,
            "{}",
        ] {
            assert_eq!(one(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            "",
            "[]",
            "{",
            r#"{"a":"b"}"#,
            r#"{"a":[]}"#,
            r#"{"a":[{"numeric":["~",1]}]}"#,
            r#"{"a":[{"like":"b"}]}"#,
            r#"{"$or":[{"a":[1]}]}"#,
        ] {
            let refused = Err(Refusal::invalid("Invalid filter pattern definition."));
            assert_eq!(one(pattern), refused, "{pattern}");
        }
        assert!(check(["{}"; 11].into_iter()).is_err());
    }
}
