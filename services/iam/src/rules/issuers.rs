//! Addresses of OpenID Connect issuers.

use std::net::IpAddr;

/// An issuer's address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// `host/path`, as ARNs and condition keys name it.
    pub(crate) name: String,
    /// With its scheme.
    pub(crate) url: String,
}

/// An issuer as ARNs name it: without its scheme and a last slash.
pub(crate) fn name_of(url: &str) -> &str {
    let name = url.split_once("://").map_or(url, |(_, name)| name);
    name.strip_suffix('/').unwrap_or(name)
}

/// Reads an issuer's address: HTTPS, no query. *Ours*: an issuer on this very machine may do
/// without HTTPS.
pub(crate) fn read(url: &str) -> Option<Issuer> {
    let (scheme, name) = url.split_once("://")?;
    let host = host_of(name)?;
    let is_fit = match scheme {
        "https" => true,
        "http" => is_loopback(host),
        _ => false,
    };
    let is_plain = !name.contains(['?', '#', '@']) && !name.contains(char::is_whitespace);
    (is_fit && is_plain).then(|| {
        let name = name_of(url);
        Issuer { name: name.to_owned(), url: format!("{scheme}://{name}") }
    })
}

/// The host in `host:port/path`.
fn host_of(name: &str) -> Option<&str> {
    let authority = name.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let is_address = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || host == "localhost" || host.ends_with(".localhost")
}

/// True for a thumbprint: 40 hex digits.
pub(crate) fn is_thumbprint(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_machine() {
        let name = |url| read(url).map(|issuer| issuer.name);
        assert_eq!(name("https://example.com/a/b").as_deref(), Some("example.com/a/b"));
        assert_eq!(name("https://example.com/").as_deref(), Some("example.com"));
        assert_eq!(name("http://localhost:80/x").as_deref(), Some("localhost:80/x"));
        assert_eq!(name("http://[::1]:80").as_deref(), Some("[::1]:80"));
        for bad in ["example.com", "http://example.com", "https://", "https://a.b/?c=d", "ftp://a"]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
        for bad in ["http://127.0.0.1.example.com", "http://localhost@example.com"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }
}
