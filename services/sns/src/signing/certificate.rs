//! A key and the certificate that says whose it is.

use std::convert::Infallible;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use haar_clock::{IdSource, Ids};
use haar_types::Timestamp;
use rsa::PrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::Keypair as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder, Result as BuildResult};
use x509_cert::der::asn1::GeneralizedTime;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{DecodePem as _, EncodePem as _};
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate};

/// Bits of the key, as AWS's.
const KEY_BITS: usize = 2_048;
/// How long the certificate is good. *Ours*: AWS's changes from time to time.
const VALID_FOR: Duration = Duration::from_secs(20 * 365 * 86_400);
/// Who signs, and for whom.
const SUBJECT: &str = "CN=sns.amazonaws.com,O=haar";

/// Who signs.
pub(super) struct Identity {
    pub(super) key: PrivateKey,
    /// In PEM.
    pub(super) certificate: String,
    /// Where haar serves it.
    pub(super) path: Arc<str>,
}

/// An identity as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// PKCS #8.
    key: Vec<u8>,
    certificate: String,
}

impl Identity {
    pub(super) fn make(ids: &IdSource, now: Timestamp) -> Result<Self, String> {
        let mut chance = Chance(ids.ids());
        let key = PrivateKey::new(&mut chance, KEY_BITS).map_err(|error| error.to_string())?;
        let certificate = certificate(&key, ids.draw(), now).map_err(|error| error.to_string())?;
        Ok(Self::of(key, certificate))
    }

    fn of(key: PrivateKey, certificate: String) -> Self {
        let digest = Sha256::digest(certificate.as_bytes());
        let hash: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { key, certificate, path: format!("{}{hash}.pem", super::site::PATH).into() }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(bytes).ok()?;
        let key = PrivateKey::from_pkcs8_der(&kept.key).ok()?;
        Certificate::from_pem(&kept.certificate).ok()?;
        Some(Self::of(key, kept.certificate))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let key = self.key.to_pkcs8_der().expect("a key that was made or read can be written");
        let kept = Kept { key: key.as_bytes().to_vec(), certificate: self.certificate.clone() };
        serde_json::to_vec(&kept).expect("plain data encode")
    }
}

fn certificate(key: &PrivateKey, serial: u64, now: Timestamp) -> BuildResult<String> {
    let signer = SigningKey::<Sha256>::new(key.clone());
    let name = Name::from_str(SUBJECT)?;
    let public = SubjectPublicKeyInfo::from_key(&signer.verifying_key())?;
    let validity = Validity::new(time(now)?, time(now + VALID_FOR)?);
    let serial = SerialNumber::from(serial);
    let builder = CertificateBuilder::new(Own(name), serial, validity, public)?;
    Ok(builder.build(&signer)?.to_pem(LineEnding::LF)?)
}

fn time(at: Timestamp) -> x509_cert::der::Result<Time> {
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    GeneralizedTime::from_unix_duration(Duration::from_secs(seconds)).map(Time::GeneralTime)
}

/// A certificate that its own key signs, of nothing but a name.
struct Own(Name);

impl BuilderProfile for Own {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        _of_subject: SubjectPublicKeyInfoRef<'_>,
        _of_issuer: SubjectPublicKeyInfoRef<'_>,
        _certificate: &TbsCertificate,
    ) -> BuildResult<Vec<Extension>> {
        Ok(Vec::new())
    }
}

/// The cloud's chance, as makers of keys ask for it.
struct Chance(Ids);

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.secret(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.secret(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.secret(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Chance {}
