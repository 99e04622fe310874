//! Where a registry is.

use http::Uri;

/// Where images are that name no registry.
pub(crate) const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_API: &str = "https://registry-1.docker.io";

/// The address of a registry: scheme, host and perhaps port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint(String);

impl Endpoint {
    /// Reads a host or URL: asked by `https` unless it is this machine or says `http://`. None
    /// for what is no address, or has a path.
    pub fn parse(url: &str) -> Option<Self> {
        let url = url.trim_end_matches('/');
        let (scheme, host) = match url.split_once("://") {
            Some((scheme @ ("http" | "https"), host)) => (scheme, host),
            Some(_) => return None,
            None if is_local(url) => ("http", url),
            None => ("https", url),
        };
        if host == DOCKER_HUB {
            return Some(Self(DOCKER_HUB_API.to_owned()));
        }
        let base = format!("{scheme}://{host}");
        let uri: Uri = base.parse().ok()?;
        let fits = uri.authority().is_some() && matches!(uri.path(), "" | "/");
        fits.then_some(Self(base))
    }

    /// Without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.0
    }
}

/// True for hosts that are this machine's, with a port or without.
pub fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    matches!(name, "localhost" | "localhost.localstack.cloud")
        || name.ends_with(".localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_asked_by_https_unless_they_are_here() {
        for (url, base) in [
            ("public.ecr.aws", Some("https://public.ecr.aws")),
            ("docker.io", Some("https://registry-1.docker.io")),
            ("localhost:5000", Some("http://localhost:5000")),
            ("127.0.0.1:5000", Some("http://127.0.0.1:5000")),
            ("[::1]:5000", Some("http://[::1]:5000")),
            ("https://127.0.0.1:5000", Some("https://127.0.0.1:5000")),
            ("http://mirror.lan:5000/", Some("http://mirror.lan:5000")),
            ("https://quay.io", Some("https://quay.io")),
            ("ftp://quay.io", None),
            ("quay.io/path", None),
            ("", None),
        ] {
            assert_eq!(Endpoint::parse(url).map(|it| it.0).as_deref(), base, "{url}");
        }
    }

    #[test]
    fn this_machine_has_many_names() {
        for here in ["localhost:4566", "127.0.0.1", "127.8.8.8:1", "[::1]:80", "a.b.localhost:5000"]
        {
            assert!(is_local(here), "{here}");
        }
        assert!(!is_local("ghcr.io") && !is_local("10.0.0.1:5000") && !is_local("localhost.com"));
    }
}
