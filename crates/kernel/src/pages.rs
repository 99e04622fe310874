//! Pages that call the API from a browser: those of this machine may read what they are answered.
//!
//! *Ours*: AWS lets any page ask, since nobody gets anything without a signature. Here everybody may
//! be let in, so the only pages are those that whoever uses this machine serves on it. What
//! customers put on the network (websites, function URLs, buckets) is on this machine too, and is
//! as good as any page elsewhere: others may have written it, or lead a browser to it.

use std::net::IpAddr;

use haar_wire::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_SECURITY_POLICY, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response};

/// The methods of AWS's APIs.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// How long a browser need not ask again, in seconds; AWS's services say the same.
const AGE_MAX: HeaderValue = HeaderValue::from_static("172800");

/// Gives what a browser shows an origin of its own, and none of this machine's.
const APART: HeaderValue = HeaderValue::from_static("sandbox allow-scripts allow-forms");
/// Leads to this machine as long as its owner says so.
const ELSEWHERE: &str = "localhost.localstack.cloud";

/// The answer to a browser that asks whether a page of this machine may call the API.
pub(crate) fn preflight(parts: &Parts) -> Option<Response<Body>> {
    let asks = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if parts.method != Method::OPTIONS || !asks {
        return None;
    }
    let origin = local_origin(parts)?;
    let mut answer = Response::new(Body::empty());
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Some(names) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, AGE_MAX);
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    Some(answer)
}

/// Lets a page of this machine read an answer; what a page of another site opens is kept apart from
/// this machine's own pages, where its host does not do that.
pub(crate) fn adorn(parts: &Parts, answer: &mut Response<Body>) {
    let headers = answer.headers_mut();
    if let Some(origin) = local_origin(parts) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    if parts.extensions.get::<ForeignPage>().is_some() && !is_of_customers(&host_of(parts)) {
        headers.insert(CONTENT_SECURITY_POLICY, APART);
    }
}

fn local_origin(parts: &Parts) -> Option<&HeaderValue> {
    let origin = parts.headers.get(ORIGIN)?;
    (whose_page(origin, &host_of(parts)) == Asker::Local).then_some(origin)
}

/// Whose a page is that asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Of whoever uses this machine.
    Local,
    /// What a customer put on the network, asking its own host.
    Own,
    /// Of anybody else.
    Foreign,
}

/// Marks a request, among its extensions, that a page of another site sends: policies decide on it
/// in permissive mode, too.
#[derive(Clone, Copy, Debug)]
pub struct ForeignPage;

/// Whose page a URL (or an origin) is, as seen by the host that it asks for something.
pub fn whose_page(url: &HeaderValue, asked: &str) -> Asker {
    let rest = url.to_str().ok().and_then(|url| url.split_once("://"));
    let Some((_, rest)) = rest else { return Asker::Foreign };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = strip_port(authority).to_ascii_lowercase();
    let is_same = host == asked;
    match is_of_customers(&host) {
        true if is_same => Asker::Own,
        true => Asker::Foreign,
        // others say where names below theirs lead: their pages are trusted by themselves alone
        false if is_local(&host) && (is_same || !is_below(&host, ELSEWHERE)) => Asker::Local,
        false => Asker::Foreign,
    }
}

/// The host a request is for: lower case, without its port.
pub fn host_of(parts: &Parts) -> String {
    let from_header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str()).or_else(from_header);
    strip_port(authority.unwrap_or("localhost")).to_ascii_lowercase()
}

/// Names that lead to this machine wherever they are looked up. AWS's own do only where somebody
/// made them: a `Host` may be one of these, the page of an `Origin` may not.
pub fn is_local(host: &str) -> bool {
    is_below(host, "localhost") || is_below(host, ELSEWHERE) || is_loopback(host)
}

/// Whether a host is an address of this machine.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a name is another or below it.
pub fn is_below(host: &str, name: &str) -> bool {
    host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether what a host shows is a customer's: a bucket, its website, a function's URL.
fn is_of_customers(host: &str) -> bool {
    let is_site = |label: &str| {
        label == "s3" || label.starts_with("s3-") || label == "lambda-url" || label == "execute-api"
    };
    host.split('.').skip(1).any(is_site)
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

    fn asked(method: &str, origin: &str) -> Option<Response<Body>> {
        let request = http::Request::builder().method(method).uri("/").header(ORIGIN, origin);
        let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        let request = request.header(ACCESS_CONTROL_REQUEST_HEADERS, "x-amz-target,authorization");
        preflight(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn what_customers_show_is_trusted_by_its_own_host_alone() {
        let whose = |url, asked| whose_page(&HeaderValue::from_static(url), asked);
        for host in [
            "b.s3-website.localhost",
            "b.s3-website-eu-west-1.localhost",
            "b.s3.localhost",
            "a.b.s3.eu-west-1.localhost",
            "b.s3-eu-west-1.localhost",
            "id.lambda-url.us-east-1.localhost",
            "b.s3.localhost.localstack.cloud",
        ] {
            let url = HeaderValue::from_str(&format!("http://{host}:4566/page?a#b")).unwrap();
            assert_eq!(whose_page(&url, host), Asker::Own, "{host}");
            for other in ["localhost", "127.0.0.1", "s3.localhost", "c.s3.localhost"] {
                assert_eq!(whose_page(&url, other), Asker::Foreign, "{host} to {other}");
            }
        }
        assert_eq!(whose("http://s3.localhost:3000", "localhost"), Asker::Local);
        assert_eq!(whose("http://amazonaws.com", "amazonaws.com"), Asker::Foreign);
        let elsewhere = "localhost.localstack.cloud";
        assert_eq!(whose("http://localhost.localstack.cloud:4566", elsewhere), Asker::Local);
        assert_eq!(whose("http://localhost.localstack.cloud:4566", "localhost"), Asker::Foreign);
    }

    #[test]
    fn pages_of_this_machine_alone_may_call() {
        for origin in [
            "http://localhost:3000",
            "https://LOCALHOST",
            "http://app.localhost:5173",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            let answer = asked("OPTIONS", origin).unwrap();
            let header = |name| answer.headers().get(name).unwrap();
            assert_eq!(header(ACCESS_CONTROL_ALLOW_ORIGIN), origin);
            assert_eq!(header(ACCESS_CONTROL_ALLOW_HEADERS), "x-amz-target,authorization");
            assert!(asked("POST", origin).is_none());
        }
        for origin in [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://evil.example:80/localhost",
            "http://192.168.0.7:3000",
            "http://a.localhost.localstack.cloud",
            "http://b.s3-website.localhost:4566",
            "http://b.s3.us-west-2.localhost:4566",
            "http://id.lambda-url.us-east-1.localhost:4566",
            "null",
        ] {
            assert!(asked("OPTIONS", origin).is_none(), "{origin}");
        }
    }
}
