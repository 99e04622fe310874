//! Who may knock: keeps a page of some other site, open in the user's browser, from driving
//! a haar that lets everybody in.

use http::HeaderMap;
use http::request::Parts;

/// The host a request is for: lower case, without its port.
pub(crate) fn host(parts: &Parts) -> String {
    let from_header = || parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str()).or_else(from_header);
    strip_port(authority.unwrap_or("localhost")).to_ascii_lowercase()
}

/// Why a request is refused before anybody looks at it; `None` lets it in.
///
/// A browser names the page that asks in `Origin`, and the name that it looked up in `Host`:
/// the first must be local, and so must the second (else a name that was re-bound to
/// 127.0.0.1 would pass).
pub(crate) fn refusal(parts: &Parts, host: &str) -> Option<&'static str> {
    if !is_local(host) {
        return Some("the Host header names a foreign host");
    }
    foreign_origin(&parts.headers).then_some("the Origin header names a foreign site")
}

fn foreign_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(http::header::ORIGIN) else { return false };
    let Ok(origin) = origin.to_str() else { return true };
    let Some((_, authority)) = origin.split_once("://") else { return true };
    !is_local(&strip_port(authority).to_ascii_lowercase())
}

fn is_local(host: &str) -> bool {
    let named = |name: &str| {
        host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
    };
    if named("localhost") || named("localhost.localstack.cloud") || named("amazonaws.com") {
        return true;
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn strip_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(host: &str, origin: Option<&str>) -> bool {
        let mut request = http::Request::builder().uri("/").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        refusal(&parts, &super::host(&parts)).is_some()
    }

    #[test]
    fn local_names_are_let_in() {
        for host in [
            "localhost:4566",
            "127.0.0.1:4566",
            "[::1]:4566",
            "LOCALHOST",
            "bucket.s3.localhost:4566",
            "x.localhost.localstack.cloud:4566",
        ] {
            assert!(!refused(host, None), "{host}");
        }
        assert!(!refused("localhost:4566", Some("http://localhost:3000")));
    }

    #[test]
    fn foreign_pages_and_rebound_names_are_kept_out() {
        assert!(refused("evil.example", None));
        assert!(refused("localhost.evil.example", None));
        assert!(refused("notlocalhost", None));
        assert!(refused("localhost:4566", Some("https://evil.example")));
        assert!(refused("localhost:4566", Some("null")));
    }
}
