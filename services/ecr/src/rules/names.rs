//! What repositories, tags and digests may be called.

use std::sync::LazyLock;

use haar_blobs::Digest;
use regex::Regex;

static REPOSITORY: LazyLock<Regex> = LazyLock::new(|| {
    let part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*";
    Regex::new(&format!("^{part}(?:/{part})*$")).expect("a fixed pattern compiles")
});

/// True for a repository's name. AWS docs: *Amazon ECR API Reference > CreateRepository*.
pub(crate) fn is_repository(name: &str) -> bool {
    (2..=256).contains(&name.len()) && REPOSITORY.is_match(name)
}

/// True for a tag, as the OCI distribution specification has it; ECR takes longer ones.
pub(crate) fn is_tag(tag: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let begins =
        tag.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric() || first == b'_');
    begins && tag.len() <= 300 && tag.bytes().all(legal)
}

/// Reads a SHA-256 digest with its algorithm, the only one that ECR's API takes.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?;
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    hex.bytes().all(is_lower).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_aws_has_them() {
        for name in ["ab", "a/b", "team/app_one", "a.b-c/d__e", "a--b"] {
            assert!(is_repository(name), "{name}");
        }
        for name in ["a", "A/b", "a/", "/ab", "a//b", "-ab", "ab_", "a..b", "a b"] {
            assert!(!is_repository(name), "{name}");
        }
    }

    #[test]
    fn tags_and_digests_are_as_oci_has_them() {
        assert!(is_tag("v1.0_x-2") && is_tag("_"));
        assert!(!is_tag("") && !is_tag(".a") && !is_tag("-a") && !is_tag("a:b") && !is_tag("a/b"));
        assert!(digest(&Digest::of(b"x").to_string()).is_some());
        assert!(digest(&Digest::of(b"x").hex()).is_none());
        assert!(digest(&Digest::of(b"x").to_string().to_uppercase()).is_none());
        assert!(digest("sha512:00").is_none());
    }
}
