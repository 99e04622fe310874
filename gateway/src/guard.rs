//! Who may knock: keeps a page of some other site, open in the user's browser, from driving
//! a haar that lets everybody in.

use haar_kernel::{Asker, is_below, is_local, is_loopback, whose_page};
use http::header::{ORIGIN, REFERER};
use http::request::Parts;

/// Why a request is not simply let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The name that was looked up is nobody's here.
    Host,
    /// A page of another site asks: policies may let it in.
    Page(&'static str),
    /// What a customer put on the network asks its own host: there is no more for it than that.
    Own,
}

impl Stranger {
    /// Why, in words.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Host => "the Host header names a foreign host",
            Self::Page(why) => why,
            Self::Own => "a customer's page asks for more than its host shows",
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
    let (asker, why) = match parts.headers.get(ORIGIN) {
        Some(origin) => (whose_page(origin, host), "the Origin header names a foreign site"),
        None => (embedder(parts, host), "a page of a foreign site asks for this"),
    };
    match asker {
        Asker::Local => None,
        Asker::Own => Some(Stranger::Own),
        Asker::Foreign => Some(Stranger::Page(why)),
    }
}

/// Whose page embeds or links what is asked for, as far as a browser says it.
fn embedder(parts: &Parts, host: &str) -> Asker {
    let site = parts.headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let own =
        || format!("http://{host}").parse().map_or(Asker::Foreign, |url| whose_page(&url, host));
    let referer = || parts.headers.get(REFERER).map(|url| whose_page(url, host));
    match site {
        None | Some("none") => Asker::Local,
        Some("same-origin") => own(),
        // names below `localhost` have neighbours, and it has none itself
        Some("same-site") if host == "localhost" || is_loopback(host) => Asker::Local,
        Some(_) => referer().unwrap_or(Asker::Foreign),
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
        stranger(&parts, &haar_kernel::host_of(&parts)).is_some()
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
            stranger(&parts, &haar_kernel::host_of(&parts)).is_some()
        };
        assert!(refused("cross-site", None));
        assert!(refused("cross-site", Some("https://evil.example/?http://localhost/")));
        assert!(!refused("cross-site", Some("http://app.localhost:3000/page?a=b")));
        assert!(["none", "same-origin", "same-site"].iter().all(|site| !refused(site, None)));
    }

    #[test]
    fn what_a_customer_put_on_the_network_drives_nothing_but_what_its_host_shows() {
        let asks = |host: &str, origin: &str, site: &str| {
            let mut request = http::Request::builder().uri("/").header("host", host);
            if !origin.is_empty() {
                request = request.header("origin", origin);
            }
            if !site.is_empty() {
                request = request.header("sec-fetch-site", site);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            stranger(&parts, &haar_kernel::host_of(&parts))
        };
        let is_page = |stranger| matches!(stranger, Some(Stranger::Page(_)));
        let (website, bucket) = ("b.s3-website.localhost:4566", "b.s3.localhost:4566");
        for own in [website, bucket, "id.lambda-url.us-east-1.localhost:4566"] {
            let origin = format!("http://{own}");
            assert!(is_page(asks("localhost:4566", &origin, "cross-site")), "{own}");
            assert!(is_page(asks("other.s3.localhost:4566", &origin, "same-site")), "{own}");
            assert_eq!(asks(own, &origin, "same-origin"), Some(Stranger::Own), "{own}");
            assert_eq!(asks(own, "", "same-origin"), Some(Stranger::Own), "{own}");
            assert!(is_page(asks(own, "", "same-site")) && is_page(asks(own, "", "cross-site")));
            assert_eq!(asks(own, "", ""), None, "{own}");
            assert_eq!(asks(own, "", "none"), None, "{own}");
            assert_eq!(asks(own, "http://localhost:3000", "cross-site"), None, "{own}");
        }
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
