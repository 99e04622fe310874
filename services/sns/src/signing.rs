//! Signatures of messages: a key and its certificate, made when first needed and kept.
//!
//! AWS docs: *Amazon SNS Developer Guide > Verifying the signatures of Amazon SNS messages*.

mod certificate;
mod site;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haar_clock::{Clock, IdSource};
use haar_kernel::{DataKey, Doors};
use haar_kv::{Keyspace, Kv, KvError};
use parking_lot::Mutex;
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding as _, Signer as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex as AsyncMutex;

pub use site::Certificates;

use certificate::Identity;

/// Where the identity is kept, and what it is sealed for.
const PLACE: &str = "sns.signer";
/// Signatures that are remembered: those of a message for its further subscriptions. *Ours*.
const REMEMBERED_MAX: usize = 1_024;

/// Signs. In memory: the identity as it is on disk, and signatures of late.
pub(crate) struct Signer {
    kv: Kv,
    kept: Keyspace,
    key: DataKey,
    clock: Clock,
    ids: IdSource,
    identity: AsyncMutex<Option<Arc<Identity>>>,
    remembered: Mutex<Remembered>,
}

/// How a text is signed, by `SignatureVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// `1`: SHA-1.
    Sha1,
    /// `2`: SHA-256.
    Sha256,
}

/// A signature, as documents show it.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) version: Version,
    /// In base64.
    pub(crate) value: Arc<str>,
    /// Behind the address of haar: where the certificate is.
    pub(crate) certificate_path: Arc<str>,
}

/// Why nothing could be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// The store failed.
    #[error("could not keep the signing key: {0}")]
    Store(#[from] KvError),
    /// The key or its certificate could not be made.
    #[error("could not make the signing key: {0}")]
    Make(String),
}

#[derive(Default)]
struct Remembered {
    signatures: BTreeMap<(Version, [u8; 32]), Arc<str>>,
    order: VecDeque<(Version, [u8; 32])>,
}

impl Version {
    /// A topic's, from its attribute.
    pub(crate) fn of(attribute: Option<&str>) -> Self {
        if attribute == Some("2") { Self::Sha256 } else { Self::Sha1 }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "1",
            Self::Sha256 => "2",
        }
    }
}

impl Signer {
    pub(crate) fn open(doors: &Doors, key: DataKey) -> Result<Self, KvError> {
        Ok(Self {
            kv: doors.kv.clone(),
            kept: doors.kv.keyspace(PLACE)?,
            key,
            clock: doors.clock.clone(),
            ids: doors.ids.clone(),
            identity: AsyncMutex::default(),
            remembered: Mutex::default(),
        })
    }

    /// Signs a text; the key is on disk when this resolves.
    pub(crate) async fn sign(
        &self,
        version: Version,
        text: String,
    ) -> Result<Signature, SignError> {
        let identity = match self.find().await? {
            Some(identity) => identity,
            None => self.make().await?,
        };
        let certificate_path = Arc::clone(&identity.path);
        let place = (version, Sha256::digest(text.as_bytes()).into());
        let known = self.remembered.lock().signatures.get(&place).cloned();
        let value = match known {
            Some(value) => value,
            None => {
                let value: Arc<str> = blocking(move || signed(&identity, version, &text)).await?;
                self.remembered.lock().add(place, Arc::clone(&value));
                value
            }
        };
        Ok(Signature { version, value, certificate_path })
    }

    /// The identity, if there is one already.
    async fn find(&self) -> Result<Option<Arc<Identity>>, SignError> {
        let mut identity = self.identity.lock().await;
        if identity.is_none()
            && let Some(sealed) = self.kept.get(PLACE)?
        {
            let opened = self.key.open(PLACE, &sealed);
            *identity = opened.and_then(|bytes| Identity::read(&bytes)).map(Arc::new);
            if identity.is_none() {
                tracing::warn!("the signing key cannot be read; another one takes its place");
            }
        }
        Ok(identity.clone())
    }

    async fn make(&self) -> Result<Arc<Identity>, SignError> {
        let mut identity = self.identity.lock().await;
        if let Some(made) = &*identity {
            return Ok(Arc::clone(made)); // by another one, meanwhile
        }
        let (ids, now) = (self.ids.clone(), self.clock.machine().now());
        let made = blocking(move || Identity::make(&ids, now)).await?.map_err(SignError::Make)?;
        let sealed = self.key.seal(&self.ids.ids(), PLACE, &made.to_bytes());
        self.kept.put(PLACE, sealed)?;
        self.kv.sync().await?;
        let made = Arc::new(made);
        *identity = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The certificate below a path.
    async fn certificate(&self, path: &str) -> Result<Option<String>, SignError> {
        let identity = self.find().await?;
        Ok(identity.filter(|it| *it.path == *path).map(|it| it.certificate.clone()))
    }

    /// Forgets what is in memory.
    pub(crate) fn forget(&self) {
        if let Ok(mut identity) = self.identity.try_lock() {
            *identity = None;
        }
        *self.remembered.lock() = Remembered::default();
    }
}

impl Remembered {
    fn add(&mut self, place: (Version, [u8; 32]), value: Arc<str>) {
        if self.signatures.insert(place, value).is_none() {
            self.order.push_back(place);
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.signatures.remove(&oldest);
        }
    }
}

fn signed(identity: &Identity, version: Version, text: &str) -> Arc<str> {
    let key = identity.key.clone();
    let bytes = match version {
        Version::Sha1 => SigningKey::<Sha1>::new(key).sign(text.as_bytes()).to_vec(),
        Version::Sha256 => SigningKey::<Sha256>::new(key).sign(text.as_bytes()).to_vec(),
    };
    STANDARD.encode(bytes).into()
}

/// Does what takes a processor for milliseconds where nobody waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SignError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SignError::Make(error.to_string()))
}
