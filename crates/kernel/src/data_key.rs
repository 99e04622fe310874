//! Keeping customers' secrets unreadable where they are stored.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use haar_clock::Ids;

/// Bytes of the nonce that a sealed text begins with.
const NONCE_LEN: usize = 24;

/// This installation's key for customers' secrets: rows hold them sealed, never in the clear.
///
/// The key is kept beside the stores, not in them: a copy of the stores alone tells nothing.
#[derive(Clone)]
pub struct DataKey(XChaCha20Poly1305);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(***)")
    }
}

impl DataKey {
    /// Bytes of a key.
    pub const LEN: usize = 32;

    /// A key of these bytes.
    pub fn new(key: &[u8; Self::LEN]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals a text. `about` names what it belongs to: under another name it does not open.
    pub fn seal(&self, ids: &Ids, about: &str, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        ids.secret(&mut nonce);
        let payload = Payload { msg: plain, aad: about.as_bytes() };
        let body = self.0.encrypt(&XNonce::from(nonce), payload);
        let mut sealed = nonce.to_vec();
        sealed.extend(body.expect("memory suffices for a secret"));
        sealed
    }

    /// Opens a sealed text; `None` when it was sealed with another key or for another name, or
    /// was changed.
    pub fn open(&self, about: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg: body, aad: about.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use haar_clock::IdSource;

    use super::*;

    #[test]
    fn a_sealed_text_opens_with_its_key_and_for_its_owner_only() {
        let (key, ids) = (DataKey::new(&[7; 32]), IdSource::seeded(1).ids());
        let sealed = key.seal(&ids, "one", b"hunter2");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(key.open("one", &sealed).as_deref(), Some(b"hunter2".as_slice()));
        assert_eq!(key.open("other", &sealed), None);
        assert_eq!(DataKey::new(&[8; 32]).open("one", &sealed), None);
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(key.open("one", &changed), None);
        assert_eq!(key.open("one", b"short"), None);
    }
}
