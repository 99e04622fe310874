//! Cross-origin requests. AWS docs: *Amazon S3 User Guide > Using cross-origin resource sharing*.

use haar_s3_contract::model::CORSRule;
use haar_wire::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName, HeaderValue, VARY,
};
use http::{HeaderMap, Response};

use crate::state::BucketRow;

/// The rule that lets a page of `origin` send a request, if one does.
pub(crate) fn rule_for<'a>(
    bucket: &'a BucketRow,
    origin: &str,
    method: &str,
    headers: &[&str],
) -> Option<&'a CORSRule> {
    let rules = &bucket.cors.as_ref()?.cors_rules;
    rules.iter().find(|rule| {
        let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
        rule.allowed_origins.iter().any(|pattern| fits(pattern, origin))
            && rule.allowed_methods.iter().any(|allowed| allowed == method)
            && headers.iter().all(|header| {
                let header = header.to_ascii_lowercase();
                allowed.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &header))
            })
    })
}

/// Whether a text fits a pattern with one `*` at most.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len()
                && text.starts_with(before)
                && text.ends_with(after)
        }
    }
}

/// The headers that tell a browser what a rule allows.
pub(crate) fn allow(rule: &CORSRule, origin: &str, headers: &mut HeaderMap) {
    let any = rule.allowed_origins.iter().any(|allowed| allowed == "*");
    set(headers, "access-control-allow-origin", if any { "*" } else { origin });
    set(headers, "access-control-allow-methods", &rule.allowed_methods.join(", "));
    if !any {
        set(headers, "access-control-allow-credentials", "true");
    }
    if let Some(exposed) = &rule.expose_headers {
        set(headers, "access-control-expose-headers", &exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        set(headers, "access-control-max-age", &seconds.to_string());
    }
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    set(headers, "vary", vary);
}

/// Adds a rule's headers to an answer to a page's request.
pub(crate) fn adorn(bucket: &BucketRow, method: &str, origin: &str, answer: &mut Response<Body>) {
    headers_of_others(answer.headers_mut());
    if let Some(rule) = rule_for(bucket, origin, method, &[]) {
        allow(rule, origin, answer.headers_mut());
    }
}

/// A bucket's rules alone decide: takes away what lets pages call the API.
fn headers_of_others(headers: &mut HeaderMap) {
    for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, VARY] {
        headers.remove(name);
    }
}

/// Sets a header; what no header can hold is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_star_at_most() {
        assert!(fits("*", "https://a.example"));
        assert!(fits("https://*.example", "https://a.example"));
        assert!(!fits("https://*.example", "http://a.example"));
        assert!(!fits("ab*ba", "aba"));
    }
}
