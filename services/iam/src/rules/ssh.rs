//! SSH public keys: RSA, as `ssh-rsa AAAA…` or in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, PublicKey};
use x509_cert::der::pem::{self, LineEnding};

/// Fewest bits of a key.
const BITS_MIN: u32 = 2_048;
/// The algorithm's name.
const KIND: &str = "ssh-rsa";
/// The label of a key in PEM.
const LABEL: &str = "PUBLIC KEY";

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SshError {
    /// Neither form.
    Unrecognised,
    /// One of the forms, with something else in it.
    Invalid,
}

/// A key, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshKey(PublicKey);

impl SshKey {
    /// Reads either form.
    pub(crate) fn read(text: &str) -> Result<Self, SshError> {
        let text = text.trim();
        let key = if text.starts_with("-----BEGIN") {
            let (label, der) = pem::decode_vec(text.as_bytes()).map_err(|_| SshError::Invalid)?;
            let key = (label == LABEL).then(|| PublicKey::from_public_key_der(&der).ok());
            key.ok_or(SshError::Unrecognised)?
        } else {
            let mut words = text.split_whitespace();
            let blob = words.next().filter(|word| *word == KIND).and_then(|_| words.next());
            let blob = STANDARD.decode(blob.ok_or(SshError::Unrecognised)?);
            blob.ok().and_then(|blob| of_blob(&blob))
        };
        let key = key.filter(|key| key.n().bit_width() >= BITS_MIN);
        key.map(Self).ok_or(SshError::Invalid)
    }

    /// The bytes that SSH itself sends (RFC 4253, 6.6).
    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        let parts = [KIND.as_bytes(), &number(&self.0.e_bytes()), &number(&self.0.n_bytes())];
        for part in parts {
            blob.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            blob.extend(part);
        }
        blob
    }

    /// As `~/.ssh/id_rsa.pub` has it.
    pub(crate) fn ssh(&self) -> String {
        format!("{KIND} {}", STANDARD.encode(self.blob()))
    }

    /// As PEM.
    pub(crate) fn pem(&self) -> Option<String> {
        let der = self.0.to_public_key_der().ok()?;
        pem::encode_string(LABEL, LineEnding::LF, der.as_bytes()).ok()
    }

    /// MD5 of the key's bytes, in pairs of hex digits.
    pub(crate) fn fingerprint(&self) -> String {
        let pairs: Vec<String> =
            Md5::digest(self.blob()).iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }
}

/// A number as SSH sends it: no sign, so a leading zero where the first bit is set.
fn number(bytes: &[u8]) -> Vec<u8> {
    let sign = bytes.first().filter(|byte| **byte >= 0x80).map(|_| 0);
    sign.into_iter().chain(bytes.iter().copied()).collect()
}

fn of_blob(mut blob: &[u8]) -> Option<PublicKey> {
    let mut part = || {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        blob = rest;
        Some(part)
    };
    if part()? != KIND.as_bytes() {
        return None;
    }
    let (exponent, modulus) = (part()?, part()?);
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(strip(bytes));
    PublicKey::new(number(modulus), number(exponent)).ok().filter(|_| blob.is_empty())
}

fn strip(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `ssh-keygen -t rsa -b 2048`; its fingerprint is what `ssh-keygen -l -E md5` says.
    const KEY: &str = include_str!("ssh/key.pub");
    const FINGERPRINT: &str = include_str!("ssh/key.md5");

    #[test]
    fn a_key_is_read_in_both_forms_and_has_sshs_own_fingerprint() {
        let key = SshKey::read(KEY).unwrap();
        assert_eq!(key.fingerprint(), FINGERPRINT.trim());
        assert_eq!(SshKey::read(&key.pem().unwrap()), Ok(key.clone()));
        let words: Vec<&str> = KEY.split_whitespace().take(2).collect();
        assert_eq!(key.ssh(), words.join(" "));
    }

    #[test]
    fn other_keys_and_broken_ones_are_refused() {
        assert_eq!(SshKey::read("ssh-ed25519 AAAA"), Err(SshError::Unrecognised));
        assert_eq!(SshKey::read("hello"), Err(SshError::Unrecognised));
        assert_eq!(SshKey::read("ssh-rsa AAAA"), Err(SshError::Invalid));
        assert_eq!(SshKey::read(&KEY.replace("AAAAB3", "AAAAB4")), Err(SshError::Invalid));
        assert_eq!(SshKey::read("-----BEGIN PUBLIC KEY-----\nx"), Err(SshError::Invalid));
    }
}
