//! What requests may say of keys that customers bring.
//!
//! AWS docs: *Amazon S3 User Guide > Specifying server-side encryption with customer-provided
//! keys*; the order in which what is wrong is told is not documented.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_s3_contract::model::ServerSideEncryption;
use haar_wire::AwsError;
use md5::{Digest as _, Md5};

use crate::refusal;

/// Bytes of a key.
const KEY_LEN: usize = 32;
/// The header that AWS names whatever is wrong.
const NAME: &str = "x-amz-server-side-encryption";

/// The three headers, and the one that goes with none of them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    pub(crate) algorithm: Option<&'a str>,
    /// In base64.
    pub(crate) key: Option<&'a str>,
    /// In base64.
    pub(crate) md5: Option<&'a str>,
    /// Encryption with a key of S3's or KMS's.
    pub(crate) other: Option<ServerSideEncryption>,
}

/// Collects what a request says of its own key.
macro_rules! own_key {
    ($input:expr) => {
        $crate::rules::customer_key::Said {
            algorithm: $input.sse_customer_algorithm.as_deref(),
            key: $input.sse_customer_key.as_deref(),
            md5: $input.sse_customer_key_md5.as_deref(),
            other: None,
        }
    };
}

/// Collects what a request says of the key of what it copies.
macro_rules! source_key {
    ($input:expr) => {
        $crate::rules::customer_key::Said {
            algorithm: $input.copy_source_sse_customer_algorithm.as_deref(),
            key: $input.copy_source_sse_customer_key.as_deref(),
            md5: $input.copy_source_sse_customer_key_md5.as_deref(),
            other: None,
        }
    };
}

pub(crate) use {own_key, source_key};

/// The key that a writer brings.
pub(crate) fn of_writer(said: &Said<'_>) -> Result<Option<[u8; KEY_LEN]>, AwsError> {
    let Some(bytes) = checked(said)? else { return Ok(None) };
    if said.md5.is_none() {
        return Err(invalid(
            "Requests specifying Server Side Encryption with Customer provided keys must provide \
             the client calculated MD5 of the secret key.",
        ));
    }
    let bytes = bytes.try_into();
    bytes.map(Some).map_err(|_| invalid("The secret key was invalid for the specified algorithm."))
}

/// The key that a reader brings, of whatever length: one that is none is only wrong.
pub(crate) fn of_reader(said: &Said<'_>) -> Result<Option<Vec<u8>>, AwsError> {
    checked(said)
}

fn checked(said: &Said<'_>) -> Result<Option<Vec<u8>>, AwsError> {
    if said.algorithm.or(said.key).or(said.md5).is_none() {
        return Ok(None);
    }
    if let Some(other) = said.other {
        let text = "Server Side Encryption with Customer provided key is incompatible with the \
                    encryption method specified";
        return Err(refusal::invalid_argument(text, NAME, other.as_str()));
    }
    let algorithm = said.algorithm.ok_or_else(|| {
        invalid(
            "Requests specifying Server Side Encryption with Customer provided keys must provide \
             a valid encryption algorithm.",
        )
    })?;
    let key = said.key.ok_or_else(|| {
        invalid(
            "Requests specifying Server Side Encryption with Customer provided keys must provide \
             an appropriate secret key.",
        )
    })?;
    if algorithm != ServerSideEncryption::Aes256.as_str() {
        let text = "The Encryption request you specified is not valid. Supported value: AES256.";
        return Err(AwsError::new("InvalidEncryptionAlgorithmError", 400, text)
            .element("ArgumentName", NAME)
            .element("ArgumentValue", algorithm));
    }
    let bytes = STANDARD
        .decode(key)
        .map_err(|_| invalid("The secret key was invalid for the specified algorithm."))?;
    match said.md5 {
        Some(md5) if md5 != STANDARD.encode(Md5::digest(&bytes)) => Err(invalid(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        )),
        _ => Ok(Some(bytes)),
    }
}

fn invalid(text: &str) -> AwsError {
    refusal::invalid_argument(text, NAME, "null")
}

/// A key for what no customer's key locks.
pub(crate) fn not_applicable() -> AwsError {
    refusal::invalid_request("The encryption parameters are not applicable to this object.")
}

/// No key for what one locks.
pub(crate) fn missing() -> AwsError {
    refusal::invalid_request(
        "The object was stored using a form of Server Side Encryption. The correct parameters must \
         be provided to retrieve the object.",
    )
}

/// Another key.
pub(crate) fn wrong() -> AwsError {
    let text = "Requests specifying Server Side Encryption with Customer provided keys must \
                provide the correct secret key.";
    AwsError::new("AccessDenied", 403, text)
}

/// A part says nothing of a key where its upload did, or the other way round.
pub(crate) fn part_differs() -> AwsError {
    refusal::invalid_request(
        "The multipart upload initiate requested encryption. Subsequent part requests must include \
         the appropriate encryption parameters.",
    )
}

/// A part has another key than its upload.
pub(crate) fn part_has_other() -> AwsError {
    refusal::invalid_request(
        "The provided encryption parameters did not match the ones used originally.",
    )
}

/// The bucket takes no such keys. AWS docs: *Amazon S3 User Guide > Blocking or unblocking SSE-C*.
pub(crate) fn blocked(who: &str, resource: &str) -> AwsError {
    let text = format!(
        "User: {who} is not authorized to perform: s3:PutObject on resource: \"{resource}\" \
         because this bucket has blocked upload requests that specify Server Side Encryption with \
         Customer provided keys (SSE-C). Please specify a different server-side encryption type"
    );
    AwsError::new("AccessDenied", 403, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32 times `k`.
    const KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

    fn code(said: Said<'_>) -> Result<(), (String, String)> {
        let words = |error: AwsError| (error.code().to_owned(), error.message().to_owned());
        of_writer(&said).map(|_| ()).map_err(words)
    }

    #[test]
    fn what_is_wrong_is_told_in_order() {
        let md5 = STANDARD.encode(Md5::digest([b'k'; 32]));
        let whole =
            Said { algorithm: Some("AES256"), key: Some(KEY), md5: Some(&md5), other: None };
        assert_eq!(of_writer(&Said::default()).unwrap(), None);
        assert_eq!(of_writer(&whole).unwrap(), Some([b'k'; 32]));
        let other =
            Said { other: Some(ServerSideEncryption::Aes256), algorithm: Some("x"), ..whole };
        assert!(code(other).unwrap_err().1.contains("incompatible"));
        let (name, _) = code(Said { algorithm: Some("AES128"), ..whole }).unwrap_err();
        assert_eq!(name, "InvalidEncryptionAlgorithmError");
        for (said, words) in [
            (Said { algorithm: None, ..whole }, "must provide a valid encryption algorithm."),
            (Said { key: None, ..whole }, "must provide an appropriate secret key."),
            (Said { md5: None, ..whole }, "must provide the client calculated MD5"),
            (Said { md5: Some("x"), ..whole }, "did not match the hash that was provided."),
            (Said { key: Some("a2s="), md5: None, ..whole }, "must provide the client calculated"),
        ] {
            let (name, text) = code(said).unwrap_err();
            assert_eq!(name, "InvalidArgument");
            assert!(text.contains(words), "{text}");
        }
        let short = STANDARD.encode(Md5::digest(b"kk"));
        let (_, text) = code(Said { key: Some("a2s="), md5: Some(&short), ..whole }).unwrap_err();
        assert_eq!(text, "The secret key was invalid for the specified algorithm.");
        assert_eq!(of_reader(&Said { md5: None, ..whole }).unwrap(), Some(vec![b'k'; 32]));
    }
}
