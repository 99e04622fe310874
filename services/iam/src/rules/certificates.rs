//! X.509 certificates in PEM.

use haar_types::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _, pem};

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Of the certificate as it is signed: what tells it from others.
    pub(crate) der: Vec<u8>,
    /// Its public key, as the certificate holds it.
    pub(crate) public_key: Vec<u8>,
}

/// Reads one certificate; `None` when it is none.
pub(crate) fn read(text: &str) -> Option<Facts> {
    let (label, der) = pem::decode_vec(text.trim().as_bytes()).ok()?;
    let certificate = (label == "CERTIFICATE").then(|| Certificate::from_der(&der).ok())??;
    let body = certificate.tbs_certificate();
    let at = |time: &x509_cert::time::Time| {
        let millis = i64::try_from(time.to_unix_duration().as_millis());
        Timestamp(millis.unwrap_or(i64::MAX))
    };
    Some(Facts {
        not_before: at(&body.validity().not_before),
        not_after: at(&body.validity().not_after),
        public_key: body.subject_public_key_info().to_der().ok()?,
        der,
    })
}

/// True for one certificate behind the other.
pub(crate) fn is_chain(text: &str) -> bool {
    Certificate::load_pem_chain(text.trim().as_bytes()).is_ok_and(|chain| !chain.is_empty())
}
