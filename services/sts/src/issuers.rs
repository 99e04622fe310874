//! The keys of issuers: asked for over HTTP, and kept for a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_caller::{BrokenOff, Caller, TooLong};
use haar_clock::{Clock, Moment};
use http::{Request, StatusCode};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::Value;

use crate::rules::jwt::{Jwk, read_keys};

/// How long an issuer may take to answer. *Ours*.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer. *Ours*.
const BODY_MAX: usize = 256 << 10;
/// How long keys are kept. *Ours*.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// How old keys must be before an unknown one is looked for among newer ones. *Ours*.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Issuers whose keys are kept. *Ours*.
const KEPT_MAX: usize = 256;

/// Keys as they were published.
#[derive(Clone, Debug)]
struct Published {
    keys: Arc<Vec<Jwk>>,
    at: Moment,
}

/// Issuers' keys.
#[derive(Debug)]
pub(crate) struct Issuers {
    caller: Caller,
    known: Mutex<BTreeMap<String, Published>>,
}

/// Why an issuer's keys are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuerError {
    /// It does not answer.
    Silent,
    /// What it says is of no use.
    Useless,
}

impl Issuers {
    pub(crate) fn new() -> Self {
        Self { caller: Caller::new(ANSWER_MAX), known: Mutex::default() }
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.known.lock().clear();
    }

    /// The keys of an issuer of which a token may be signed with one of that id.
    pub(crate) async fn keys(
        &self,
        clock: &Clock,
        url: &str,
        key_id: Option<&str>,
    ) -> Result<Arc<Vec<Jwk>>, IssuerError> {
        let known = self.known.lock().get(url).cloned();
        if let Some(known) = known {
            let age = clock.moment().since(known.at);
            let has_key =
                key_id.is_none_or(|id| known.keys.iter().any(|key| key.kid.as_deref() == Some(id)));
            if age < ASKED_AGAIN_AFTER || (has_key && age < KEPT_FOR) {
                return Ok(known.keys);
            }
        }
        let keys = Arc::new(self.ask(clock, url).await?);
        let mut known = self.known.lock();
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(url.to_owned(), Published { keys: Arc::clone(&keys), at: clock.moment() });
        Ok(keys)
    }

    /// OpenID Connect Discovery 1.0: the issuer's configuration tells where its keys are.
    async fn ask(&self, clock: &Clock, url: &str) -> Result<Vec<Jwk>, IssuerError> {
        let place = format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'));
        let configuration = self.fetch(clock, &place).await?;
        let configuration: Value =
            serde_json::from_slice(&configuration).map_err(|_| IssuerError::Useless)?;
        let text = |name: &str| configuration.get(name).and_then(Value::as_str);
        let is_own = text("issuer").is_some_and(|issuer| is_same(issuer, url));
        let place = text("jwks_uri").filter(|place| is_own && may_ask(url, place));
        let keys = self.fetch(clock, place.ok_or(IssuerError::Useless)?).await?;
        read_keys(&keys).ok_or(IssuerError::Useless)
    }

    async fn fetch(&self, clock: &Clock, url: &str) -> Result<Bytes, IssuerError> {
        let request = Request::get(url).header("accept", "application/json");
        let request = request.body(Full::default()).map_err(|_| IssuerError::Useless)?;
        let answer = self.caller.call(clock, request, BODY_MAX).await;
        let answer = answer.map_err(|error| {
            tracing::debug!(%error, url, "an issuer did not answer");
            IssuerError::Silent
        })?;
        let marks = answer.extensions();
        let is_whole = marks.get::<TooLong>().is_none() && marks.get::<BrokenOff>().is_none();
        match answer.status() {
            StatusCode::OK if is_whole => Ok(answer.into_body()),
            status if status.is_server_error() => Err(IssuerError::Silent),
            _ => Err(IssuerError::Useless),
        }
    }
}

/// Whether two addresses are the same issuer's.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// An issuer with HTTPS has its keys behind HTTPS too; one on this machine names its own host.
fn may_ask(issuer: &str, keys: &str) -> bool {
    let origin = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        Some(format!("{scheme}://{}", rest.split('/').next()?))
    };
    keys.starts_with("https://") || origin(issuer) == origin(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_behind_https_or_on_the_issuers_own_host() {
        assert!(may_ask("https://a.example", "https://keys.example/jwks"));
        assert!(!may_ask("https://a.example", "http://a.example/jwks"));
        assert!(may_ask("http://localhost:1/x", "http://localhost:1/jwks"));
        assert!(!may_ask("http://localhost:1", "http://localhost:2/jwks"));
        assert!(is_same("https://a.example/", "https://a.example"));
    }
}
