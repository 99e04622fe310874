//! Signing, for haar's own calls and tests.

use std::borrow::Cow;
use std::time::Duration;

use haar_types::Timestamp;
use http::request::Parts;
use http::{HeaderValue, Uri};
use percent_encoding::utf8_percent_encode;

use super::canonical::{URI_ENCODED, string_to_sign};
use super::claim::{Claim, Payload};
use super::key::{SigningKey, sha256_hex};

/// Signs requests with one access key, for one service in one region.
#[derive(Clone)]
pub struct Signer {
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session's token.
    pub session_token: Option<String>,
    /// The scope's region.
    pub region: String,
    /// The scope's service, by its signing name.
    pub service: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} for {} in {})", self.access_key_id, self.service, self.region)
    }
}

/// Headers that proxies change, so that they are not signed.
const UNSIGNED: [&str; 6] =
    ["authorization", "user-agent", "expect", "connection", "transfer-encoding", "x-amzn-trace-id"];

impl Signer {
    /// Signs by the `Authorization` header. The request must have its `Host`.
    pub fn sign(&self, parts: &mut Parts, body: &[u8], now: Timestamp) {
        let hash = sha256_hex(body);
        let mut claim = self.claim(now);
        set(parts, "x-amz-date", &claim.signed_at);
        if let Some(token) = &self.session_token {
            set(parts, "x-amz-security-token", token);
        }
        if claim.is_s3() {
            set(parts, "x-amz-content-sha256", &hash);
        }
        let mut names: Vec<String> = parts.headers.keys().map(ToString::to_string).collect();
        names.retain(|name| !UNSIGNED.contains(&name.as_str()));
        if !parts.headers.contains_key("host") {
            names.push("host".to_owned());
        }
        names.sort();
        claim.signed_headers = names.join(";").into();
        let signature = self.signature(&claim, parts, &hash);
        let (credential, signed) = (&claim.credential, &claim.signed_headers);
        let text = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, \
             Signature={signature}"
        );
        set(parts, "authorization", &text);
    }

    /// Signs by the query, so that the URL alone is good for `lifetime`.
    pub fn presign(&self, parts: &mut Parts, body: &[u8], lifetime: Duration, now: Timestamp) {
        let mut claim = self.claim(now);
        claim.presigned = Some(lifetime);
        claim.signed_headers = "host".into();
        let mut added = vec![
            ("X-Amz-Algorithm", claim.algorithm.to_string()),
            ("X-Amz-Credential", claim.credential.to_string()),
            ("X-Amz-Date", claim.signed_at.to_string()),
            ("X-Amz-Expires", lifetime.as_secs().to_string()),
            ("X-Amz-SignedHeaders", "host".to_owned()),
        ];
        if let Some(token) = &self.session_token {
            added.push(("X-Amz-Security-Token", token.clone()));
        }
        for (name, value) in added {
            add_to_query(parts, name, &value);
        }
        let unsigned = Payload::Unsigned.canonical().unwrap_or_default().to_owned();
        let payload = if claim.is_s3() { unsigned } else { sha256_hex(body) };
        let signature = self.signature(&claim, parts, &payload);
        add_to_query(parts, "X-Amz-Signature", &signature);
    }

    fn claim(&self, now: Timestamp) -> Claim<'_> {
        let signed_at = now.strftime("%Y%m%dT%H%M%SZ");
        let date = signed_at[..8].to_owned();
        let mut claim = Claim {
            access_key_id: self.access_key_id.as_str().into(),
            date: date.into(),
            region: self.region.as_str().into(),
            service: self.service.as_str().into(),
            session_token: self.session_token.as_deref().map(Cow::from),
            signed_at: signed_at.into(),
            algorithm: "AWS4-HMAC-SHA256".into(),
            ..Claim::default()
        };
        claim.credential = format!("{}/{}", self.access_key_id, claim.scope()).into();
        claim
    }

    fn signature(&self, claim: &Claim<'_>, parts: &Parts, payload: &str) -> String {
        let secret = &self.secret_access_key;
        let key = SigningKey::derive(secret, &claim.date, &claim.region, &claim.service);
        key.sign(&string_to_sign(claim, parts, payload))
    }
}

fn set(parts: &mut Parts, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("keys, tokens and dates are visible ASCII");
    parts.headers.insert(name, value);
}

fn add_to_query(parts: &mut Parts, name: &str, value: &str) {
    let pair = format!("{name}={}", utf8_percent_encode(value, URI_ENCODED));
    let path = parts.uri.path();
    let path_and_query = match parts.uri.query() {
        Some(query) if !query.is_empty() => format!("{path}?{query}&{pair}"),
        _ => format!("{path}?{pair}"),
    };
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = path_and_query.parse().ok();
    parts.uri = Uri::from_parts(uri).unwrap_or_else(|_| parts.uri.clone());
}
