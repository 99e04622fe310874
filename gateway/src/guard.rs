//! Who may knock: keeps a page of some other site, open in the user's browser, from driving
//! a haar that lets everybody in.

use http::HeaderValue;
use http::header::{HOST, ORIGIN, REFERER};
use http::request::Parts;

/// The host a request is for: lower case, without its port.
pub(crate) fn host(parts: &Parts) -> String {
    let from_header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str()).or_else(from_header);
    strip_port(authority.unwrap_or("localhost")).to_ascii_lowercase()
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The name that was looked up is nobody's here.
    Host,
    /// A page of another site asks: what is for such pages may let it in.
    Page(&'static str),
}

impl Stranger {
    /// Why, in words.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Host => "the Host header names a foreign host",
            Self::Page(why) => why,
        }
    }
}

/// Who is refused before anybody looks at their request; `None` lets it in.
///
/// A browser names the page that asks in `Origin`, and the name that it looked up in `Host`:
/// the first must be local, and so must the second (else a name that was re-bound to
/// 127.0.0.1 would pass). Images and links of a page send no `Origin`: `Sec-Fetch-Site` tells them
/// apart from what a person typed, `Referer` whose they are.
pub(crate) fn stranger(parts: &Parts, host: &str) -> Option<Stranger> {
    if !is_local(host) && !is_below(host, "amazonaws.com") {
        return Some(Stranger::Host);
    }
    if let Some(origin) = parts.headers.get(ORIGIN) {
        let why = "the Origin header names a foreign site";
        return (!is_local_page(origin)).then_some(Stranger::Page(why));
    }
    let across = parts.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let own = || parts.headers.get(REFERER).is_some_and(is_local_page);
    (across && !own()).then_some(Stranger::Page("a page of a foreign site asks for this"))
}

fn is_local_page(url: &HeaderValue) -> bool {
    let Some((_, rest)) = url.to_str().ok().and_then(|url| url.split_once("://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_local(&strip_port(authority).to_ascii_lowercase())
}

/// Names that lead to this machine wherever they are looked up. AWS's own do only where somebody
/// made them: a `Host` may be one of these, the page of an `Origin` may not.
fn is_local(host: &str) -> bool {
    if is_below(host, "localhost") || is_below(host, "localhost.localstack.cloud") {
        return true;
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_below(host: &str, name: &str) -> bool {
    host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
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
        stranger(&parts, &super::host(&parts)).is_some()
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
    fn pages_that_anybody_can_put_below_awss_own_name_are_foreign() {
        assert!(!refused("lambda.us-east-1.amazonaws.com", None));
        assert!(refused("localhost:4566", Some("https://evil.s3.amazonaws.com")));
        assert!(refused("localhost:4566", Some("https://amazonaws.com")));
    }

    #[test]
    fn what_a_foreign_page_embeds_is_kept_out_and_what_a_person_typed_is_not() {
        let refused = |site: &str, referer: Option<&str>| {
            let request = http::Request::builder().uri("/?Action=DeleteUser&UserName=u");
            let request = request.header("host", "localhost:4566").header("sec-fetch-site", site);
            let request = match referer {
                Some(referer) => request.header("referer", referer),
                None => request,
            };
            let (parts, ()) = request.body(()).unwrap().into_parts();
            stranger(&parts, &super::host(&parts)).is_some()
        };
        assert!(refused("cross-site", None));
        assert!(refused("cross-site", Some("https://evil.example/?http://localhost/")));
        assert!(!refused("cross-site", Some("http://app.localhost:3000/page?a=b")));
        assert!(["none", "same-origin", "same-site"].iter().all(|site| !refused(site, None)));
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
