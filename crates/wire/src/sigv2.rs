//! AWS Signature Version 2, as S3 takes it beside version 4: boto3 signs links to its older
//! regions and forms for them in this manner, s3cmd its links.
//!
//! **Invariant:** signatures are compared in constant time; no error tells what was expected.
//!
//! Source of behaviour: *Amazon S3 API Reference > Authenticating requests (AWS signature version
//! 2)*.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_types::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use crate::detect::signing_name;
use crate::headers::text_of;
use crate::host;
use crate::params::{self, Params};
use crate::sigv4::{SKEW_MAX, SigError, SigFault, Validity};

/// Parts of a query that are signed, because they say what is asked for: those that botocore signs.
const SIGNED: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A caller's claim, unproven, in the request's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldClaim {
    /// The access key.
    pub access_key_id: String,
    /// The session's token.
    pub session_token: Option<String>,
    /// Whether the query is signed, rather than a header.
    pub is_presigned: bool,
    signature: String,
    /// The second at which a presigned request ends, as written.
    expires: Option<String>,
}

/// Reads what a request claims in the manner of version 2: by its header
/// `Authorization: AWS KEY:SIGNATURE`, or by its query.
pub fn claim(parts: &Parts) -> Option<OldClaim> {
    claim_of(parts, &query(parts))
}

/// Whether a request is signed so for S3: the query protocols' own version 2 names itself.
pub(crate) fn is_for_s3(parts: &Parts, params: &Params) -> bool {
    params::first(params, "SignatureVersion").is_none() && claim_of(parts, params).is_some()
}

fn claim_of(parts: &Parts, params: &Params) -> Option<OldClaim> {
    from_header(parts).or_else(|| from_query(params))
}

fn from_header(parts: &Parts) -> Option<OldClaim> {
    let text = text_of(&parts.headers, "authorization")?.strip_prefix("AWS ")?;
    let (key, signature) = text.split_once(':')?;
    Some(OldClaim {
        access_key_id: key.trim().to_owned(),
        session_token: text_of(&parts.headers, "x-amz-security-token").map(str::to_owned),
        is_presigned: false,
        signature: signature.trim().to_owned(),
        expires: None,
    })
}

fn from_query(params: &Params) -> Option<OldClaim> {
    let find = |name: &str| params::first(params, name).map(str::to_owned);
    Some(OldClaim {
        access_key_id: find("AWSAccessKeyId")?,
        session_token: find("x-amz-security-token"),
        is_presigned: true,
        signature: find("Signature").unwrap_or_default(),
        expires: find("Expires"),
    })
}

/// The query's names and values.
fn query(parts: &Parts) -> Params {
    params::parse(parts.uri.query().unwrap_or_default())
}

impl OldClaim {
    /// Refuses a presigned request whose time is over, whoever signed it.
    ///
    /// # Errors
    /// When it has expired.
    pub fn refuse_expired(&self, now: Timestamp) -> Result<(), SigError> {
        let end = self.expires.as_deref().and_then(|end| end.parse::<i64>().ok());
        match end {
            Some(end) if now.0 > end.saturating_mul(1_000) => {
                Err(SigError::new(SigFault::ExpiredRequest, "Request has expired"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a link's signature covers what tells an operation of that address, such as
    /// `/{Bucket}?encryption`, from others.
    pub fn covers(&self, uri: &str) -> bool {
        let query = uri.split('@').next().and_then(|uri| uri.split_once('?'));
        let query = query.map_or("", |(_, query)| query);
        let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
        let is_covered = |name: &str| {
            name.is_empty() || name == "list-type" || name == "x-id" || SIGNED.contains(&name)
        };
        !self.is_presigned || names.all(is_covered)
    }

    /// Proves the claim with the access key's secret. The session's token is the caller's.
    ///
    /// # Errors
    /// What is wrong with the signature or its time.
    pub fn verify(&self, secret: &str, parts: &Parts, when: &Validity) -> Result<(), SigError> {
        if self.is_presigned && (self.signature.is_empty() || self.expires.is_none()) {
            return Err(denied(
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId \
                 parameters",
            ));
        }
        // of a bucket's path, botocore signs a slash at the end that it does not send
        let path = path(parts);
        let slashed = (path.len() > 1 && path.rfind('/') == Some(0)).then(|| format!("{path}/"));
        let is_signed = |path: &String| {
            verify_text(secret, &self.string_to_sign(parts, path), &self.signature).is_ok()
        };
        if !is_signed(&path) && !slashed.as_ref().is_some_and(is_signed) {
            return Err(SigError::mismatch());
        }
        match &self.expires {
            Some(end) if end.parse::<i64>().is_err() => {
                Err(denied(format!("Invalid date (should be seconds since epoch): {end}")))
            }
            Some(_) => self.refuse_expired(when.now),
            None => refuse_skewed(parts, when),
        }
    }

    fn string_to_sign(&self, parts: &Parts, path: &str) -> String {
        let params = query(parts);
        let plain = |name: &str| {
            let header = text_of(&parts.headers, name).map(str::trim);
            header.or_else(|| params::first(&params, name)).unwrap_or_default()
        };
        let date = match &self.expires {
            Some(end) => end.clone(),
            None if parts.headers.contains_key("x-amz-date") => String::new(),
            None => text_of(&parts.headers, "date").unwrap_or_default().to_owned(),
        };
        let own = amz_headers(parts, &params)
            .into_iter()
            .map(|(name, value)| format!("{name}:{value}\n"));
        format!(
            "{}\n{}\n{}\n{date}\n{}{path}{}",
            parts.method,
            plain("content-md5"),
            plain("content-type"),
            own.collect::<String>(),
            signed_query(parts)
        )
    }
}

/// Proves the signature of a text by itself, as S3's forms have one, in Base64.
///
/// # Errors
/// When the signature is not the text's.
pub fn verify_text(secret: &str, text: &str, signature: &str) -> Result<(), SigError> {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    match bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
        true => Ok(()),
        false => Err(SigError::mismatch()),
    }
}

fn denied(text: impl Into<String>) -> SigError {
    SigError::new(SigFault::Missing, text)
}

fn refuse_skewed(parts: &Parts, when: &Validity) -> Result<(), SigError> {
    let text = text_of(&parts.headers, "x-amz-date").or_else(|| text_of(&parts.headers, "date"));
    let text = text.map(|text| text.trim().replace("+0000", "GMT"));
    let signed_at = text.and_then(|text| httpdate::parse_http_date(&text).ok());
    let Some(since) = signed_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) else {
        return Err(denied("AWS authentication requires a valid Date or x-amz-date header"));
    };
    let signed_at = Timestamp(0) + since;
    let is_near = when.now - SKEW_MAX <= signed_at && signed_at <= when.now + SKEW_MAX;
    if when.check_skew && !is_near {
        let text = "The difference between the request time and the current time is too large.";
        return Err(SigError::new(SigFault::Skewed, text));
    }
    Ok(())
}

/// The `x-amz-` headers in their order. Those of a link stand in its query.
fn amz_headers(parts: &Parts, params: &Params) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name.as_str().starts_with("x-amz-") {
            let before = found.entry(name.as_str().to_owned()).or_default();
            let comma = if before.is_empty() { "" } else { "," };
            before.push_str(&format!("{comma}{}", value.trim()));
        }
    }
    for (name, value) in params.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
        found.entry(name.clone()).or_insert_with(|| value.clone());
    }
    found
}

/// The path as sent, with the bucket in front that the host names. The host is not signed: what it
/// is taken for here must be what the request is served as.
fn path(parts: &Parts) -> String {
    let is_signed = signing_name(parts, &query(parts)).is_some_and(|name| name == "s3");
    let bucket =
        host::bucket(parts, is_signed).map(|bucket| format!("/{bucket}")).unwrap_or_default();
    format!("{bucket}{}", parts.uri.path())
}

/// The signed parts of the query, in their order.
fn signed_query(parts: &Parts) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let mut signed: Vec<(&str, Option<&str>)> = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
        .filter(|(name, _)| SIGNED.contains(name))
        .collect();
    signed.sort_by_key(|(name, _)| *name);
    let signed: Vec<String> = signed.into_iter().map(shown).collect();
    let mark = if signed.is_empty() { "" } else { "?" };
    format!("{mark}{}", signed.join("&"))
}

fn shown((name, value): (&str, Option<&str>)) -> String {
    match value {
        Some(value) => format!("{name}={}", percent_decode_str(value).decode_utf8_lossy()),
        None => name.to_owned(),
    }
}
