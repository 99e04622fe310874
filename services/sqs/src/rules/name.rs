//! Names of queues. AWS docs: *Amazon SQS Developer Guide > Amazon SQS quotas*.

use haar_wire::AwsError;

use crate::refusal::invalid;

/// What names of FIFO queues end with.
pub(crate) const FIFO_SUFFIX: &str = ".fifo";
const LENGTH_MAX: usize = 80;

/// Refuses a name that no queue of this type can have.
pub(crate) fn check(name: &str, is_fifo: bool) -> Result<(), AwsError> {
    let stem = if is_fifo { name.strip_suffix(FIFO_SUFFIX) } else { Some(name) };
    let letters = |stem: &str| {
        stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let fits = stem.is_some_and(|stem| !stem.is_empty() && letters(stem));
    match fits && name.len() <= LENGTH_MAX {
        true => Ok(()),
        false if is_fifo => Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
             underscores, must end with .fifo suffix and be 1 to 80 in length.",
        )),
        false => Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_eighty_letters_at_most_and_those_of_fifo_queues_a_suffix() {
        let long = "a".repeat(80);
        for (name, is_fifo, fits) in [
            ("q", false, true),
            ("A-b_9", false, true),
            (long.as_str(), false, true),
            ("", false, false),
            ("a.fifo", false, false),
            ("a b", false, false),
            ("a.fifo", true, true),
            (".fifo", true, false),
            ("a", true, false),
        ] {
            assert_eq!(check(name, is_fifo).is_ok(), fits, "{name} {is_fifo}");
        }
        assert!(check(&format!("{long}a"), false).is_err());
    }
}
