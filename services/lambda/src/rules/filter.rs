//! `FilterCriteria` of event source mappings: event patterns as JSON text.

use haar_kernel::Quota;
use haar_poller::Filters;

use crate::refusal::Refusal;

/// Patterns per mapping. AWS raises it to 10 for those who ask; the code is *ours*: AWS lists none.
pub(crate) const FILTERS: Quota = Quota {
    service: "lambda",
    code: "event-source-filters",
    name: "Filters per event source mapping",
    default: 5,
};

/// Refuses patterns that event sources' filters do not know.
///
/// # Errors
/// When there are too many, or one is no pattern.
pub fn check<'a>(
    patterns: impl ExactSizeIterator<Item = &'a str>,
    limit: u64,
) -> Result<(), Refusal> {
    if patterns.len() as u64 > limit {
        let text = format!("Number of items in filter criteria exceeds the limit of {limit}.");
        return Err(Refusal::invalid(text));
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
        check([pattern].into_iter(), FILTERS.default)
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
        assert_eq!(check(["{}"; 5].into_iter(), FILTERS.default), Ok(()));
        assert!(check(["{}"; 6].into_iter(), FILTERS.default).is_err());
    }
}
