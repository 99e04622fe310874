//! The logins that `docker login` and its like keep: `~/.docker/config.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::endpoint::DOCKER_HUB;
use crate::login::Login;

/// What Docker calls its own registry in there.
const DOCKER_HUB_KEYS: [&str; 4] =
    ["index.docker.io", "docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// What helpers know Docker's own registry by.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// Logins by registry, and the programs that keep others (*Docker CLI Reference > docker login >
/// Credential helpers*).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: String,
}

/// A program that keeps logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHelper {
    /// Such as `docker-credential-pass`; looked up in `PATH`.
    pub program: String,
    /// What it is asked for, on its standard input, with the argument `get`.
    pub server: String,
}

#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

#[derive(Clone, Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

impl DockerConfig {
    /// Reads the file's content.
    ///
    /// # Errors
    /// When it is no such document.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The login for a registry's host, where the file itself holds it.
    pub fn login(&self, host: &str) -> Option<Login> {
        let entries = self.auths.iter().filter(|(key, _)| is_meant(key, host));
        entries.into_iter().find_map(|(_, entry)| entry.login())
    }

    /// The program that keeps the login for a registry's host: its own, else the one for all.
    pub fn helper(&self, host: &str) -> Option<CredentialHelper> {
        let own = self.helpers.iter().find(|(key, _)| is_meant(key, host));
        let name = own.map_or(&self.store, |(_, name)| name);
        // a name, not a way to another program
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || !name.chars().all(is_plain) {
            return None;
        }
        let server = if host == DOCKER_HUB { DOCKER_HUB_SERVER } else { host };
        let program = format!("docker-credential-{name}");
        Some(CredentialHelper { program, server: server.to_owned() })
    }
}

impl CredentialHelper {
    /// Reads what the program says; tokens that are to be exchanged for others are no login here.
    pub fn login(said: &[u8]) -> Option<Login> {
        const TOKEN: &str = "<token>";
        let Kept { username, secret } = serde_json::from_slice(said).ok()?;
        (username != TOKEN).then_some(Login { username, password: secret })
    }
}

/// Whether a key of the file means a registry's host.
fn is_meant(key: &str, host: &str) -> bool {
    let known = host_of(key);
    known == host || (host == DOCKER_HUB && DOCKER_HUB_KEYS.contains(&known))
}

impl Entry {
    fn login(&self) -> Option<Login> {
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            return Some(Login { username: username.clone(), password: password.clone() });
        }
        Login::decode(self.auth.as_deref()?)
    }
}

/// `https://index.docker.io/v1/` gives `index.docker.io`.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_the_host_as_docker_writes_it() {
        let config = DockerConfig::parse(
            br#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6c2Vj:"},
                "https://index.docker.io/v2/": {"auth": "bWU6czpj"},
                "ghcr.io": {"username": "cat", "password": "fish"},
                "localhost:5000": {}
            }, "credsStore": "desktop"}"#,
        )
        .unwrap();
        let login = config.login("docker.io").unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("me", "s:c"));
        assert_eq!(config.login("ghcr.io").unwrap().password, "fish");
        assert_eq!(config.login("localhost:5000"), None);
        assert_eq!(config.login("quay.io"), None);
        assert_eq!(
            format!("{:?}", config.login("ghcr.io")),
            r#"Some(Login { username: "cat", .. })"#
        );
        let helper = config.helper("quay.io").unwrap();
        assert_eq!(helper.program, "docker-credential-desktop");
        assert_eq!(helper.server, "quay.io");
        assert!(DockerConfig::parse(b"{").is_err());
        let empty = DockerConfig::parse(b"{}").unwrap();
        assert_eq!((empty.login("ghcr.io"), empty.helper("ghcr.io")), (None, None));
    }

    #[test]
    fn helpers_of_a_registry_go_before_the_one_for_all() {
        let config = DockerConfig::parse(
            br#"{"credHelpers": {"docker.io": "pass", "ghcr.io": "../../bin/sh"}}"#,
        )
        .unwrap();
        let helper = config.helper("docker.io").unwrap();
        assert_eq!(helper.program, "docker-credential-pass");
        assert_eq!(helper.server, "https://index.docker.io/v1/");
        assert_eq!((config.helper("ghcr.io"), config.helper("quay.io")), (None, None));
        let login = CredentialHelper::login(
            br#"{"ServerURL": "quay.io", "Username": "cat", "Secret": "fish"}"#,
        );
        assert_eq!(login.unwrap().password, "fish");
        let token = br#"{"ServerURL": "", "Username": "<token>", "Secret": "x"}"#;
        assert_eq!(CredentialHelper::login(token), None);
        assert_eq!(CredentialHelper::login(b"credentials not found"), None);
    }
}
