//! The `Resource` and `NotResource` elements.

use crate::context::RequestContext;
use crate::glob::{Glob, matches};
use crate::template::Template;

/// Parts of an ARN; the last one keeps its colons.
const PARTS: usize = 6;

/// A resource's pattern: `*`, or an ARN whose parts are matched one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePattern(Template);

impl ResourcePattern {
    pub(crate) fn parse(text: &str, variables: bool) -> Self {
        Self(Template::parse(text, true, variables))
    }

    /// True when the pattern covers the request's resource.
    pub(crate) fn covers(&self, context: &RequestContext) -> bool {
        self.0.expand(context).is_some_and(|pattern| covers_arn(&pattern, &context.resource))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys()
    }
}

/// Matches ARNs part by part, so that a `*` never crosses one of the first five colons.
///
/// A pattern with fewer parts is completed with wildcards (*IAM User Guide > Resource
/// element*); a resource that is no ARN is matched as a whole.
pub(crate) fn covers_arn(pattern: &[Glob], resource: &str) -> bool {
    let mut patterns: Vec<&[Glob]> =
        pattern.splitn(PARTS, |step| *step == Glob::Letter(':')).collect();
    if patterns.len() == 1 {
        return matches(pattern, resource, false);
    }
    let parts: Vec<&str> = resource.splitn(PARTS, ':').collect();
    if parts.len() < PARTS {
        return false;
    }
    patterns.resize(PARTS, &[Glob::Any]);
    patterns.into_iter().zip(parts).all(|(pattern, part)| matches(pattern, part, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_matched_part_by_part() {
        let function = "arn:aws:lambda:eu-west-1:123456789012:function:f:1";
        for (pattern, covered) in [
            ("*", true),
            (function, true),
            ("arn:aws:lambda:*:*:function:f*", true),
            ("arn:aws:lambda:eu-*-1:123456789012:function:?:?", true),
            ("arn:aws:lambda:*", true),
            ("arn:aws:lambda:*:function:f:1", false),
            ("arn:aws:lambda:us-*:*:function:f:1", false),
            ("arn:aws:lambda:*:*:function:F:1", false),
        ] {
            assert_eq!(covers_arn(&Glob::parse(pattern), function), covered, "{pattern}");
        }
    }

    #[test]
    fn a_request_without_resource_is_covered_by_a_star_alone() {
        assert!(covers_arn(&Glob::parse("*"), "*"));
        assert!(!covers_arn(&Glob::parse("arn:aws:lambda:*:*:*"), "*"));
    }
}
