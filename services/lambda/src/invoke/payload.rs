//! What a caller may send.

use base64::Engine as _;
use serde::de::IgnoredAny;

/// Most bytes of a synchronous invocation's payload. AWS docs: *Lambda quotas* (6 MB).
pub const SYNC_PAYLOAD_BYTES_MAX: usize = 6_291_456;

/// Most bytes of an asynchronous invocation's payload. AWS docs: *Lambda quotas* (1 MB).
pub const ASYNC_PAYLOAD_BYTES_MAX: usize = 1_048_576;

/// Most bytes of a client context. AWS docs: *Invoke > ClientContext*.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3583;

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// `RequestTooLargeException`
    #[error(
        "{size} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
    )]
    TooLarge {
        /// Bytes that came.
        size: usize,
        /// `RequestResponse` or `Event`.
        kind: &'static str,
        /// Bytes allowed.
        limit: usize,
    },
    /// `InvalidRequestContentException`
    #[error("Could not parse request body into json: {0}")]
    NotJson(String),
    /// `InvalidRequestContentException`
    #[error("Client context must be a valid Base64-encoded JSON object.")]
    ClientContext,
}

/// Checks the payload of a `RequestResponse` invocation.
///
/// # Errors
/// When it is too large or no JSON.
pub fn check_sync(payload: &[u8]) -> Result<(), PayloadError> {
    check(payload, "RequestResponse", SYNC_PAYLOAD_BYTES_MAX)
}

/// Checks the payload of an `Event` invocation.
///
/// # Errors
/// When it is too large or no JSON.
pub fn check_async(payload: &[u8]) -> Result<(), PayloadError> {
    check(payload, "Event", ASYNC_PAYLOAD_BYTES_MAX)
}

fn check(payload: &[u8], kind: &'static str, limit: usize) -> Result<(), PayloadError> {
    if payload.len() > limit {
        return Err(PayloadError::TooLarge { size: payload.len(), kind, limit });
    }
    if payload.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<IgnoredAny>(payload) {
        Ok(_) => Ok(()),
        Err(error) => Err(PayloadError::NotJson(error.to_string())),
    }
}

/// Decodes `X-Amz-Client-Context`.
///
/// # Errors
/// When it is too long, or no base64 of a JSON object.
pub fn decode_client_context(header: &str) -> Result<String, PayloadError> {
    if header.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(PayloadError::ClientContext);
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(header);
    let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or(PayloadError::ClientContext)?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(text),
        _ => Err(PayloadError::ClientContext),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_and_not_too_large() {
        assert_eq!(check_sync(b""), Ok(()));
        assert_eq!(check_sync(br#"{"a": [1, "\u00e4"]}"#), Ok(()));
        assert!(matches!(check_sync(b"{"), Err(PayloadError::NotJson(_))));
        let large = vec![b' '; ASYNC_PAYLOAD_BYTES_MAX + 1];
        assert_eq!(
            check_async(&large).unwrap_err().to_string(),
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
        );
    }

    #[test]
    fn a_client_context_is_base64_of_an_object() {
        assert_eq!(decode_client_context("e30=").unwrap(), "{}");
        assert!(decode_client_context("{}").is_err());
        assert!(decode_client_context("W10=").is_err());
    }
}
