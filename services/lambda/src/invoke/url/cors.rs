//! Cross-origin requests to function URLs. AWS docs: *Function URLs > CORS*.

use bytes::Bytes;

use super::{UrlHead, UrlResponse};
use crate::state::Cors;

/// Answers a preflight request in the function's place; `None` when it is none, or the URL has
/// no CORS settings.
pub fn preflight(
    cors: Option<&Cors>,
    method: &str,
    headers: &[(String, String)],
) -> Option<UrlResponse> {
    let cors = cors?;
    let asked = header(headers, "access-control-request-method")?;
    let origin = header(headers, "origin")?;
    if method != "OPTIONS" {
        return None;
    }
    let mut answer = Vec::new();
    let methods = cors.allow_methods.as_deref().unwrap_or_default();
    let method_allowed = methods.iter().any(|known| known == "*" || known == asked);
    if let Some(allowed) = allowed_origin(cors, origin).filter(|_| method_allowed) {
        answer.push(("access-control-allow-origin", allowed));
        answer.push(("access-control-allow-methods", methods.join(",")));
        if let Some(names) = &cors.allow_headers {
            answer.push(("access-control-allow-headers", names.join(",")));
        }
        if let Some(age) = cors.max_age_s {
            answer.push(("access-control-max-age", age.to_string()));
        }
        if cors.allow_credentials == Some(true) {
            answer.push(("access-control-allow-credentials", "true".to_owned()));
        }
    }
    answer.push(("vary", "Origin".to_owned()));
    let headers = answer.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(UrlResponse { head: UrlHead { status: 200, headers }, body: Bytes::new() })
}

/// Adds what a browser must see to a response; the function's own headers of these names give
/// way.
pub fn add_cors_headers(cors: Option<&Cors>, request: &[(String, String)], head: &mut UrlHead) {
    let Some(cors) = cors else { return };
    let Some(origin) = header(request, "origin") else { return };
    let Some(allowed) = allowed_origin(cors, origin) else { return };
    head.headers.retain(|(name, _)| !name.starts_with("access-control-"));
    let mut add = |name: &str, value: String| head.headers.push((name.to_owned(), value));
    add("access-control-allow-origin", allowed);
    if cors.allow_credentials == Some(true) {
        add("access-control-allow-credentials", "true".to_owned());
    }
    if let Some(names) = &cors.expose_headers {
        add("access-control-expose-headers", names.join(","));
    }
    add("vary", "Origin".to_owned());
}

/// What a browser is told that asks for a page of `origin`, where the settings let it in.
fn allowed_origin(cors: &Cors, origin: &str) -> Option<String> {
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    if origins.iter().any(|known| known == "*") {
        let any = cors.allow_credentials != Some(true);
        return Some(if any { "*".to_owned() } else { origin.to_owned() });
    }
    let matches = |known: &&String| match known.split_once("://*.") {
        Some((scheme, domain)) => origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .is_some_and(|host| host.ends_with(&format!(".{domain}"))),
        None => *known == origin,
    };
    origins.iter().find(matches).map(|_| origin.to_owned())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors() -> Cors {
        Cors {
            allow_credentials: None,
            allow_headers: Some(vec!["x-a".to_owned()]),
            allow_methods: Some(vec!["GET".to_owned()]),
            allow_origins: Some(vec!["https://*.example.com".to_owned()]),
            expose_headers: None,
            max_age_s: Some(60),
        }
    }

    fn asked(origin: &str, method: &str) -> Vec<(String, String)> {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", method)];
        headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    #[test]
    fn a_preflight_is_answered_for_known_origins_and_methods_alone() {
        let cors = cors();
        let allows = |origin, method| {
            let answer = preflight(Some(&cors), "OPTIONS", &asked(origin, method)).unwrap();
            header(&answer.head.headers, "access-control-allow-origin").is_some()
        };
        assert!(allows("https://a.example.com", "GET"));
        assert!(!allows("https://a.example.com", "PUT"));
        assert!(!allows("https://evil.com", "GET"));
        assert!(!allows("https://evilexample.com", "GET"));
        assert!(preflight(None, "OPTIONS", &asked("https://a.example.com", "GET")).is_none());
        assert!(preflight(Some(&cors), "GET", &asked("https://a.example.com", "GET")).is_none());
    }
}
