//! Keys, codes and digests.

use haar_types::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A key derived for one day, region and service.
#[derive(Clone)]
pub(crate) struct SigningKey([u8; 32]);

impl SigningKey {
    /// AWS docs: *IAM User Guide > Create a signed AWS API request > Derive a signing key*.
    pub(crate) fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let key = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
        let parts = [region, service, "aws4_request"];
        Self(parts.iter().fold(key, |key, part| hmac(&key, part.as_bytes())))
    }

    /// The signature of a text, in hex.
    pub(crate) fn sign(&self, text: &str) -> String {
        hex(&hmac(&self.0, text.as_bytes()))
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// SHA-256 in hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Compares in time that depends on the lengths alone.
pub(crate) fn equal(ours: &str, theirs: &str) -> bool {
    ours.as_bytes().ct_eq(theirs.as_bytes()).into()
}
