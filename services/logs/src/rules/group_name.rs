//! Names of log groups: in requests, in ARNs and in patterns.

use haar_types::{AccountId, Arn, Region};

/// A log group's ARN without the closing `:*` that most answers carry.
pub(crate) fn group_arn(account: &AccountId, region: &Region, name: &str) -> String {
    format!("arn:aws:logs:{region}:{account}:log-group:{name}")
}

/// A log stream's ARN.
pub(crate) fn stream_arn(account: &AccountId, region: &Region, group: &str, name: &str) -> String {
    format!("arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{name}")
}

/// The group that a name or ARN (with or without `:*`) stands for, with the ARN's account and
/// region; None for what is neither.
pub(crate) fn parse_identifier(identifier: &str) -> Option<(Option<(String, String)>, &str)> {
    if !identifier.starts_with("arn:") {
        return Some((None, identifier));
    }
    let arn: Arn = identifier.parse().ok()?;
    let at = identifier.len() - arn.resource().len();
    let name = identifier[at..].strip_prefix("log-group:")?;
    let name = name.strip_suffix(":*").unwrap_or(name);
    let whole = arn.service() == "logs" && !name.is_empty() && !name.contains(':');
    whole.then(|| (Some((arn.account().to_owned(), arn.region().to_owned())), name))
}

/// Whether a name matches `^/aws/lambda|discovery`: any of several prefixes or substrings.
pub(crate) fn matches_regex_pattern(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|part| match part.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(part),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_name_or_an_arn() {
        assert_eq!(parse_identifier("/aws/x"), Some((None, "/aws/x")));
        let place = || Some(("000000000000".to_owned(), "us-east-1".to_owned()));
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/x";
        assert_eq!(parse_identifier(arn), Some((place(), "/aws/x")));
        assert_eq!(parse_identifier(&format!("{arn}:*")), Some((place(), "/aws/x")));
        for wrong in ["arn:aws:s3:::b", "arn:aws:logs:r:a:x:y", &format!("{arn}:log-stream:s")] {
            assert_eq!(parse_identifier(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_regex_pattern_has_prefixes_and_substrings() {
        assert!(matches_regex_pattern("^/aws/lambda|discovery", "/aws/lambda/f"));
        assert!(matches_regex_pattern("^/aws/lambda|discovery", "x/discovery"));
        assert!(!matches_regex_pattern("^/aws/lambda|discovery", "x/aws/lambda"));
    }
}
