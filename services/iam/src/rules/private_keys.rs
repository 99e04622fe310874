//! Whether a private key is a certificate's.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _, PrivateKeyInfoRef};
use rsa::{PrivateKey, PublicKey};
use x509_cert::der::pem;

use super::certificates::Facts;

/// Bytes of a point's first octet: both coordinates follow.
const UNCOMPRESSED: u8 = 4;

/// Whether a key in PEM (RSA, or on one of the curves P-256 and P-384) belongs to a certificate;
/// `None` when it is no such key.
pub(crate) fn belongs_to(text: &str, certificate: &Facts) -> Option<bool> {
    let (label, der) = pem::decode_vec(text.trim().as_bytes()).ok()?;
    match label {
        "RSA PRIVATE KEY" => is_rsa(&PrivateKey::from_pkcs1_der(&der).ok()?, certificate),
        "EC PRIVATE KEY" => is_curve(scalar(&der)?, certificate),
        "PRIVATE KEY" => match PrivateKey::from_pkcs8_der(&der) {
            Ok(key) => is_rsa(&key, certificate),
            Err(_) => {
                let info = PrivateKeyInfoRef::try_from(&*der).ok()?;
                is_curve(scalar(info.private_key.as_bytes())?, certificate)
            }
        },
        _ => None,
    }
}

/// Whether a text is an RSA key in PEM.
pub(crate) fn is_rsa_key(text: &str) -> bool {
    pem::decode_vec(text.trim().as_bytes()).is_ok_and(|(label, der)| match label {
        "RSA PRIVATE KEY" => PrivateKey::from_pkcs1_der(&der).is_ok(),
        "PRIVATE KEY" => PrivateKey::from_pkcs8_der(&der).is_ok(),
        _ => false,
    })
}

fn is_rsa(key: &PrivateKey, certificate: &Facts) -> Option<bool> {
    let public = PublicKey::from(key).to_public_key_der().ok()?;
    Some(public.as_bytes() == certificate.public_key)
}

fn is_curve(scalar: &[u8], certificate: &Facts) -> Option<bool> {
    let (algorithm, point_len) = match scalar.len() {
        32 => (&ECDSA_P256_SHA256_ASN1_SIGNING, 65),
        48 => (&ECDSA_P384_SHA384_ASN1_SIGNING, 97),
        _ => return None,
    };
    let at = certificate.public_key.len().checked_sub(point_len);
    let point = at.map(|at| &certificate.public_key[at..]);
    let point = point.filter(|point| point.first() == Some(&UNCOMPRESSED));
    Some(point.is_some_and(|point| {
        let random = SystemRandom::new();
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point, &random).is_ok()
    }))
}

/// The number in an `ECPrivateKey` (RFC 5915): behind the sequence's head and the version.
fn scalar(der: &[u8]) -> Option<&[u8]> {
    let rest = der.strip_prefix(&[0x30])?;
    let (first, rest) = rest.split_first()?;
    let rest = match first {
        0x81 => rest.get(1..)?,
        length if *length < 0x80 => rest,
        _ => return None,
    };
    let (length, rest) = rest.strip_prefix(&[2, 1, 1, 4])?.split_first()?;
    rest.get(..usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::super::certificates;
    use super::*;

    const CERTIFICATE: &str = include_str!("../../tests/inputs/certificate.pem");
    const EC_CERTIFICATE: &str = include_str!("../../tests/inputs/ec-certificate.pem");
    const OTHER: &str = include_str!("../../tests/inputs/expired.pem");
    const KEY: &str = include_str!("../../tests/inputs/key.pem");
    const EC_KEY: &str = include_str!("../../tests/inputs/ec-key.pem");
    const EC_KEY_PKCS8: &str = include_str!("../../tests/inputs/ec-key-pkcs8.pem");

    #[test]
    fn a_key_belongs_to_its_own_certificate_alone() {
        let facts = |text| certificates::read(text).unwrap();
        assert_eq!(belongs_to(KEY, &facts(CERTIFICATE)), Some(true));
        assert_eq!(belongs_to(KEY, &facts(OTHER)), Some(false));
        assert_eq!(belongs_to(KEY, &facts(EC_CERTIFICATE)), Some(false));
        for key in [EC_KEY, EC_KEY_PKCS8] {
            assert_eq!(belongs_to(key, &facts(EC_CERTIFICATE)), Some(true));
            assert_eq!(belongs_to(key, &facts(CERTIFICATE)), Some(false));
        }
        for junk in ["", "hello", CERTIFICATE] {
            assert_eq!(belongs_to(junk, &facts(CERTIFICATE)), None);
        }
    }
}
