//! The logins that `docker login` and its like keep: `~/.docker/config.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::endpoint::DOCKER_HUB;
use crate::login::Login;

/// What Docker calls its own registry in there.
const DOCKER_HUB_KEYS: [&str; 4] =
    ["index.docker.io", "docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// Logins by registry. Credential helpers are programs, which haar does not start.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
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

    /// The login for a registry's host.
    pub fn login(&self, host: &str) -> Option<Login> {
        let is_meant = |key: &str| {
            let known = host_of(key);
            known == host || (host == DOCKER_HUB && DOCKER_HUB_KEYS.contains(&known))
        };
        let entries = self.auths.iter().filter(|(key, _)| is_meant(key));
        entries.into_iter().find_map(|(_, entry)| entry.login())
    }
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
        assert!(DockerConfig::parse(b"{").is_err());
        assert_eq!(DockerConfig::parse(b"{}").unwrap().login("ghcr.io"), None);
    }
}
