//! Proving a claim.

use std::time::Duration;

use haar_types::Timestamp;
use http::request::Parts;

use super::canonical::string_to_sign;
use super::chunk::ChunkDecoder;
use super::claim::{Claim, Payload};
use super::error::{SigError, SigFault};
use super::key::{SigningKey, equal};
use crate::headers::text_of;

/// How far a signature's time may be from ours.
pub(crate) const SKEW_MAX: Duration = Duration::from_secs(15 * 60);
/// How long a presigned request may be good.
const PRESIGNED_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Our time, and whether a signature's has to be near it.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Our time.
    pub now: Timestamp,
    /// Refuses what was signed more than 15 minutes from `now`. Presigned requests have an
    /// end of their own, which is always kept.
    pub check_skew: bool,
}

/// A claim that was proven.
#[derive(Debug)]
pub struct Verified {
    /// Unwraps the body, where it comes in chunks.
    pub chunks: Option<ChunkDecoder>,
}

/// Proves a claim with the access key's secret.
///
/// `body_hash` is the hex SHA-256 of the body as it came; without it (a body that is still to
/// be read) only an announced hash is verified, and comparing the body with it is left to
/// the reader.
///
/// # Errors
/// What is wrong with the signature. An unknown key, and the session's token, are the caller's.
pub fn verify(
    claim: &Claim<'_>,
    secret: &str,
    parts: &Parts,
    body_hash: Option<&str>,
    validity: &Validity,
) -> Result<Verified, SigError> {
    refuse_incomplete_query(claim, parts)?;
    refuse_incomplete(claim, parts).map_err(|error| of_query(claim, error))?;
    refuse_unsigned_headers(claim, parts)?;
    refuse_untold_hash(claim)?;
    let payload = match (claim.payload.canonical(), body_hash) {
        (Some(announced), _) => announced,
        (None, Some(hash)) => hash,
        (None, None) => return Err(SigError::mismatch()),
    };
    let key = SigningKey::derive(secret, &claim.date, &claim.region, &claim.service);
    let expected = key.sign(&string_to_sign(claim, parts, payload));
    if !equal(&expected, &claim.signature) {
        return Err(SigError::mismatch());
    }
    refuse_out_of_time(claim, validity).map_err(|error| of_query(claim, error))?;
    if let (Payload::Hashed(announced), Some(hash)) = (&claim.payload, body_hash)
        && !announced.eq_ignore_ascii_case(hash)
    {
        return Err(SigError::body_mismatch());
    }
    let chunks = match claim.payload {
        Payload::Chunked { signed: true, trailer } => {
            Some(ChunkDecoder::signed(key, claim, trailer))
        }
        Payload::Chunked { signed: false, .. } => Some(ChunkDecoder::unsigned()),
        _ => None,
    };
    Ok(Verified { chunks })
}

/// Proves the claim of one who signed a text by itself, as S3's forms do.
///
/// # Errors
/// When the signature is not the text's.
pub fn verify_text(claim: &Claim<'_>, secret: &str, text: &str) -> Result<(), SigError> {
    let key = SigningKey::derive(secret, &claim.date, &claim.region, &claim.service);
    match equal(&key.sign(text), &claim.signature) {
        true => Ok(()),
        false => Err(SigError::mismatch()),
    }
}

fn incomplete(message: impl Into<String>) -> SigError {
    SigError::new(SigFault::Incomplete, message)
}

/// What is incomplete of a presigned request is so in its query.
fn of_query(claim: &Claim<'_>, error: SigError) -> SigError {
    match (error.fault, claim.presigned) {
        (SigFault::Incomplete, Some(_)) => SigError::new(SigFault::IncompleteQuery, error.message),
        _ => error,
    }
}

/// S3 says of a presigned request that lacks a part which parts there must be.
fn refuse_incomplete_query(claim: &Claim<'_>, parts: &Parts) -> Result<(), SigError> {
    if claim.presigned.is_none() || !claim.is_s3() {
        return Ok(());
    }
    let query = parts.uri.query().unwrap_or_default();
    let names = ["Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"];
    let has = |name: &str| {
        query.split('&').any(|pair| {
            let value = pair.strip_prefix("X-Amz-").and_then(|pair| pair.strip_prefix(name));
            value.is_some_and(|value| value.starts_with('='))
        })
    };
    match names.into_iter().all(has) {
        true => Ok(()),
        false => Err(SigError::new(
            SigFault::IncompleteQuery,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, \
             X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
             X-Amz-Expires parameters.",
        )),
    }
}

/// S3 wants to be told the hash that was signed, of requests without a body too.
fn refuse_untold_hash(claim: &Claim<'_>) -> Result<(), SigError> {
    if !claim.is_s3() || claim.presigned.is_some() || claim.payload != Payload::Body {
        return Ok(());
    }
    let text = "Missing required header for this request: x-amz-content-sha256";
    Err(SigError::new(SigFault::NoBodyHash, text))
}

/// AWS names every part that is missing, in one message.
fn refuse_incomplete(claim: &Claim<'_>, parts: &Parts) -> Result<(), SigError> {
    let in_query = claim.presigned.is_some();
    if claim.algorithm != "AWS4-HMAC-SHA256" {
        return Err(incomplete(format!("Unsupported AWS 'algorithm': '{}'.", claim.algorithm)));
    }
    let mut missing = String::new();
    let mut require = |there: bool, name: &str| {
        if !there && in_query {
            missing.push_str(&format!("AWS query-string parameters must include 'X-Amz-{name}'. "));
        } else if !there {
            missing.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
    };
    require(!claim.credential.is_empty(), "Credential");
    require(!claim.signature.is_empty(), "Signature");
    require(!claim.signed_headers.is_empty(), "SignedHeaders");
    if claim.signed_at.is_empty() {
        missing.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    if !missing.is_empty() {
        let header = text_of(&parts.headers, "authorization");
        let shown = header.map(|text| format!("Authorization={}", without_signature(text)));
        return Err(incomplete(format!("{missing}{}", shown.unwrap_or_default())));
    }
    refuse_credential(claim)
}

/// A signature is nobody's business, not even in a message.
fn without_signature(text: &str) -> &str {
    text.split_once("Signature=").map_or(text, |(head, _)| head)
}

fn refuse_credential(claim: &Claim<'_>) -> Result<(), SigError> {
    let credential = &claim.credential;
    if credential.split('/').count() < 5 || claim.access_key_id.is_empty() {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        )));
    }
    if !credential.ends_with("/aws4_request") {
        return Err(incomplete(
            "Credential should be scoped with a valid terminator: 'aws4_request'.",
        ));
    }
    let signed_at = &claim.signed_at;
    if parse_time(signed_at).is_none() {
        return Err(incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{signed_at}'. See \
             http://en.wikipedia.org/wiki/ISO_8601"
        )));
    }
    if !signed_at.starts_with(&*claim.date) || claim.date.len() != 8 {
        return Err(SigError::new(
            SigFault::Mismatch,
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{}' != '{}', from '{signed_at}'.",
                claim.date,
                &signed_at[..8]
            ),
        ));
    }
    Ok(())
}

fn refuse_unsigned_headers(claim: &Claim<'_>, parts: &Parts) -> Result<(), SigError> {
    let is_signed = |name: &str| claim.signs(name);
    if !is_signed("host") && !is_signed(":authority") {
        let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(SigError::new(SigFault::Mismatch, text));
    }
    let unsigned = |name: &&http::HeaderName| {
        name.as_str().starts_with("x-amz-")
            && !is_signed(name.as_str())
            && *name != "x-amz-content-sha256"
    };
    if claim.is_s3() && parts.headers.keys().any(|name| unsigned(&name)) {
        let text = "There were headers present in the request which were not signed";
        return Err(SigError::new(SigFault::UnsignedHeaders, text));
    }
    Ok(())
}

/// Refuses a presigned request whose time is over, whoever signed it.
///
/// # Errors
/// When it has expired.
pub fn refuse_expired(claim: &Claim<'_>, now: Timestamp) -> Result<(), SigError> {
    let Some(lifetime) = claim.presigned else { return Ok(()) };
    let signed_at = parse_time(&claim.signed_at).filter(|_| !claim.signature.is_empty());
    match signed_at {
        Some(signed_at) if now > signed_at + lifetime => {
            Err(expired(claim, signed_at + lifetime, now))
        }
        _ => Ok(()),
    }
}

fn refuse_out_of_time(claim: &Claim<'_>, validity: &Validity) -> Result<(), SigError> {
    let now = validity.now;
    let signed_at = parse_time(&claim.signed_at).unwrap_or_default();
    if let Some(lifetime) = claim.presigned {
        if lifetime > PRESIGNED_MAX {
            return Err(incomplete(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given \
                 X-Amz-Expires must be less than 604800 seconds",
            ));
        }
        let end = signed_at + lifetime;
        if now > end {
            return Err(expired(claim, end, now));
        }
    } else if validity.check_skew && now - SKEW_MAX > signed_at {
        return Err(stale(claim, now));
    }
    if validity.check_skew && now + SKEW_MAX < signed_at {
        return Err(early(claim, now));
    }
    Ok(())
}

fn expired(claim: &Claim<'_>, end: Timestamp, now: Timestamp) -> SigError {
    let text = if claim.is_s3() {
        "Request has expired".to_owned()
    } else {
        format!("Signature expired: {} is now earlier than {}", basic(end), basic(now))
    };
    SigError::new(SigFault::ExpiredRequest, text)
}

fn stale(claim: &Claim<'_>, now: Timestamp) -> SigError {
    skewed(claim, |signed| {
        let (oldest, now) = (basic(now - SKEW_MAX), basic(now));
        format!("Signature expired: {signed} is now earlier than {oldest} ({now} - 15 min.)")
    })
}

fn early(claim: &Claim<'_>, now: Timestamp) -> SigError {
    skewed(claim, |signed| {
        let (latest, now) = (basic(now + SKEW_MAX), basic(now));
        format!(
            "Signature not yet current: {signed} is still later than {latest} ({now} + 15 min.)"
        )
    })
}

fn skewed(claim: &Claim<'_>, text: impl Fn(&str) -> String) -> SigError {
    let s3 = "The difference between the request time and the current time is too large.";
    let text = if claim.is_s3() { s3.to_owned() } else { text(&claim.signed_at) };
    SigError::new(SigFault::Skewed, text)
}

fn basic(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ")
}

/// Reads `20260131T093000Z`.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let is_basic = text.len() == 16 && text.is_ascii();
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok().filter(|_| is_basic)?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}
