//! Pages that call the API from a browser: those of this machine may read what they are answered.
//!
//! *Ours*: AWS lets any page ask, since nobody gets anything without a signature. Here everybody may
//! be let in, so the only pages are those that whoever uses this machine serves on it.

use std::net::IpAddr;

use haar_wire::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response};

/// The methods of AWS's APIs.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// How long a browser need not ask again, in seconds; AWS's services say the same.
const AGE_MAX: HeaderValue = HeaderValue::from_static("172800");

/// The answer to a browser that asks whether a page of this machine may call the API.
pub(crate) fn preflight(parts: &Parts) -> Option<Response<Body>> {
    let asks = parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let origin = parts.headers.get(ORIGIN).filter(|origin| is_of_this_machine(origin))?;
    if parts.method != Method::OPTIONS || !asks {
        return None;
    }
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

/// Lets a page of this machine read an answer.
pub(crate) fn adorn(parts: &Parts, answer: &mut Response<Body>) {
    let origin = parts.headers.get(ORIGIN).filter(|origin| is_of_this_machine(origin));
    if let Some(origin) = origin {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
}

/// Whether an origin's name leads to this machine wherever it is looked up.
fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let Some((_, authority)) = authority else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
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
            "null",
        ] {
            assert!(asked("OPTIONS", origin).is_none(), "{origin}");
        }
    }
}
