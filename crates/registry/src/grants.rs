//! Tokens that registries gave, for as long as they are good.

use std::collections::BTreeMap;
use std::time::Duration;

use haar_clock::{Clock, Moment};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::client::Repository;
use crate::error::RegistryError;
use crate::login::Login;

/// How long a token is good that does not say so. *Docker Registry Token Authentication >
/// Requesting a Token*.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// No token is believed to be good for longer.
const GOOD_FOR_MAX: Duration = Duration::from_secs(3600);
/// How much earlier a token is taken to have ended: the way to the registry takes time.
const EARLY: Duration = Duration::from_secs(5);
/// Tokens that are kept at once.
const KEPT_MAX: usize = 1024;

/// Whose token, and for what: registry, repository, user.
type Scope = (String, String, Option<Login>);

/// Values of the `Authorization` header by what they are good for.
#[derive(Default)]
pub(crate) struct Grants(Mutex<BTreeMap<Scope, (Moment, String)>>);

/// What a server of tokens answers.
#[derive(Deserialize)]
pub(crate) struct TokenDocument {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl TokenDocument {
    /// The header's value, and how long it is good.
    pub(crate) fn read(bytes: &[u8]) -> Result<(String, Duration), RegistryError> {
        let malformed = |why: String| RegistryError::Malformed(format!("no token: {why}"));
        let document: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let token = document.token.or(document.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            malformed("authorization server did not include a token in the response".into())
        })?;
        let good_for = document.expires_in.map_or(GOOD_FOR, Duration::from_secs);
        Ok((format!("Bearer {token}"), good_for.clamp(GOOD_FOR, GOOD_FOR_MAX)))
    }
}

impl Grants {
    pub(crate) fn find(&self, clock: &Clock, repository: &Repository<'_>) -> Option<String> {
        let mut grants = self.0.lock();
        let scope = scope(repository);
        let (until, value) = grants.get(&scope)?;
        if clock.moment() < *until {
            return Some(value.clone());
        }
        grants.remove(&scope);
        None
    }

    pub(crate) fn keep(
        &self,
        clock: &Clock,
        repository: &Repository<'_>,
        value: String,
        good_for: Duration,
    ) {
        let (now, mut grants) = (clock.moment(), self.0.lock());
        if grants.len() >= KEPT_MAX {
            grants.retain(|_, (until, _)| *until > now);
        }
        if grants.len() >= KEPT_MAX {
            grants.clear();
        }
        grants.insert(scope(repository), (now.after(good_for.saturating_sub(EARLY)), value));
    }

    pub(crate) fn forget(&self, repository: &Repository<'_>) {
        self.0.lock().remove(&scope(repository));
    }
}

fn scope(repository: &Repository<'_>) -> Scope {
    let Repository { endpoint, name, login } = repository;
    (endpoint.base().to_owned(), (*name).to_owned(), login.cloned())
}
