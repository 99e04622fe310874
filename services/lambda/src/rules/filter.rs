//! `FilterCriteria` of event source mappings: event patterns as JSON text.

use haar_poller::Filters;

use crate::refusal::Refusal;

/// Patterns per mapping; more is a quota increase on AWS.
pub const FILTERS_MAX: usize = 10;

/// Refuses patterns that event sources' filters do not know.
///
/// # Errors
/// When there are too many, or one is no pattern.
pub fn check<'a>(patterns: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Refusal> {
    if patterns.len() > FILTERS_MAX {
        return Err(Refusal::invalid(
            "Number of items in filter criteria exceeds the limit of 10.",
        ));
    }
    match Filters::compile(patterns) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::invalid("Invalid filter pattern definition.")),
    }
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
