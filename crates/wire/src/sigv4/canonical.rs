//! The text that is signed.

use std::borrow::Cow;

use http::HeaderMap;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::claim::Claim;
use super::key::sha256_hex;
use crate::params::spaced;

/// All that AWS's `UriEncode` encodes: everything but the letters that RFC 3986 does not reserve.
pub const URI_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for paths, whose slashes stay.
const PATH: &AsciiSet = &URI_ENCODED.remove(b'/');

/// The string to sign. AWS docs: *IAM User Guide > Create a signed AWS API request*.
pub(crate) fn string_to_sign(claim: &Claim<'_>, parts: &Parts, payload: &str) -> String {
    let request = canonical_request(claim, parts, payload);
    let hash = sha256_hex(&request);
    format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", claim.signed_at, claim.scope())
}

fn canonical_request(claim: &Claim<'_>, parts: &Parts, payload: &str) -> Vec<u8> {
    let path = if claim.is_s3() { plain_path(parts) } else { normal_path(parts) };
    let query = canonical_query(parts.uri.query().unwrap_or(""));
    let mut text = format!("{}\n{path}\n{query}\n", parts.method).into_bytes();
    let names: Vec<String> = claim.signed_names().collect();
    for name in &names {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend(header_value(parts, name));
        text.push(b'\n');
    }
    let signed = names.join(";");
    text.extend_from_slice(format!("\n{signed}\n{payload}").as_bytes());
    text
}

/// S3: decoded, where a plus means a space, and encoded once.
fn plain_path(parts: &Parts) -> String {
    let path = spaced(Cow::Borrowed(parts.uri.path()));
    let path: Vec<u8> = percent_decode_str(&path).collect();
    match String::from_utf8(path) {
        Ok(path) if !path.is_empty() => utf8_percent_encode(&path, PATH).to_string(),
        Ok(_) => "/".to_owned(),
        Err(_) => parts.uri.path().to_owned(),
    }
}

/// All others: as sent, without empty and dot segments, and encoded once more.
fn normal_path(parts: &Parts) -> String {
    let path = parts.uri.path();
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    utf8_percent_encode(&format!("/{}{slash}", kept.join("/")), PATH).to_string()
}

/// Pairs sorted by name and value, each encoded anew, without the signature itself.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (encode_anew(name), encode_anew(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn encode_anew(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let bytes: Vec<u8> = percent_decode_str(&spaced).collect();
    percent_encoding::percent_encode(&bytes, URI_ENCODED).to_string()
}

/// All values of a header, trimmed, runs of spaces made one.
fn header_value(parts: &Parts, name: &str) -> Vec<u8> {
    let values = values_of(&parts.headers, name);
    if values.is_empty() && matches!(name, "host" | ":authority") {
        let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
        return authority.as_bytes().to_vec(); // HTTP/2 has `:authority` instead
    }
    values.into_iter().map(collapse).collect::<Vec<_>>().join(&b',')
}

fn values_of<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
}

fn collapse(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}
