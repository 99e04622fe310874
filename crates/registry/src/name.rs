//! The names of images, as people write them.

use std::fmt;

use crate::endpoint::{DOCKER_HUB, Endpoint};

/// Names of the same registry; one of them counts.
const DOCKER_HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
const TAG_MAX: usize = 128;
const DIGEST_DIGITS: usize = 64;

/// An image's name, taken apart: `[HOST/]REPOSITORY[:TAG][@DIGEST]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// The registry's host, `docker.io` where the name says none.
    pub host: String,
    /// The repository; on Docker Hub one without a slash is `library`'s.
    pub repository: String,
    /// A tag or a digest; the digest where there are both.
    pub reference: String,
}

impl ImageName {
    /// Reads a name; None for what can be none.
    pub fn parse(image: &str) -> Option<Self> {
        let (rest, digest) = match image.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (image, None),
        };
        let (host, rest) = match rest.split_once('/') {
            Some((host, rest)) if is_host(host) => (host, rest),
            _ => (DOCKER_HUB, rest),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        let host = if DOCKER_HUB_ALIASES.contains(&host) { DOCKER_HUB } else { host };
        let repository = match host == DOCKER_HUB && !repository.contains('/') {
            true => format!("library/{repository}"),
            false => repository.to_owned(),
        };
        let fits = is_repository(&repository)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest)
            && Endpoint::parse(host).is_some();
        let reference = digest.or(tag).unwrap_or("latest").to_owned();
        fits.then(|| Self { host: host.to_owned(), repository, reference })
    }

    /// The reference is a digest.
    pub fn has_digest(&self) -> bool {
        is_digest(&self.reference)
    }
}

/// In full, as containerd writes it: `docker.io/library/nginx:latest`.
impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.has_digest() { '@' } else { ':' };
        write!(f, "{}/{}{mark}{}", self.host, self.repository, self.reference)
    }
}

fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        };
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = part.as_bytes();
        bytes.iter().copied().all(fits) && is_end(bytes.first()) && is_end(bytes.last())
    };
    text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_word)
        && text.len() <= TAG_MAX
        && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == DIGEST_DIGITS
            && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        let of = |host: &str, repository: &str, reference: &str| ImageName {
            host: host.to_owned(),
            repository: repository.to_owned(),
            reference: reference.to_owned(),
        };
        let named = format!("1.dkr.ecr.us-east-1.localhost/web:1@{DIGEST}");
        for (image, name) in [
            ("nginx", of("docker.io", "library/nginx", "latest")),
            ("docker.io/nginx", of("docker.io", "library/nginx", "latest")),
            ("index.docker.io/library/nginx:1.27", of("docker.io", "library/nginx", "1.27")),
            ("grafana/grafana", of("docker.io", "grafana/grafana", "latest")),
            ("localhost/a", of("localhost", "a", "latest")),
            ("localhost:4566/a/b:c", of("localhost:4566", "a/b", "c")),
            ("[::1]:5000/a", of("[::1]:5000", "a", "latest")),
            ("public.ecr.aws/docker/library/x:2", of("public.ecr.aws", "docker/library/x", "2")),
            (&named, of("1.dkr.ecr.us-east-1.localhost", "web", DIGEST)),
        ] {
            assert_eq!(ImageName::parse(image), Some(name), "{image}");
        }
    }

    #[test]
    fn what_no_image_can_be_called_is_refused() {
        for image in [
            "",
            ":",
            "a b",
            "Nginx",
            "nginx:",
            "nginx:-1",
            "a//b",
            "a/../b",
            "a/b/",
            "-a",
            "a?b",
            "ghcr.io/",
            "nginx@sha256:12",
            "nginx@md5:00",
            "a:1@",
            "ghcr.io/a#b",
        ] {
            assert_eq!(ImageName::parse(image), None, "{image}");
        }
    }

    #[test]
    fn a_name_is_shown_in_full() {
        let shown = |image: &str| ImageName::parse(image).unwrap().to_string();
        assert_eq!(shown("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(shown(&format!("ghcr.io/a/b:1@{DIGEST}")), format!("ghcr.io/a/b@{DIGEST}"));
    }
}
