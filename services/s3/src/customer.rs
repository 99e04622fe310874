//! Keys that customers bring (SSE-C): what is kept of them, and what they lock.
//!
//! Bytes are locked with AES-256 in counter mode, under a key of their own that is made of the
//! customer's and of a number that is used once; so a range is read without what stands before it,
//! and no two objects share a stream of the cipher.
//!
//! **Invariant:** a customer's key is kept nowhere, only a salted HMAC that tells it from others.
//!
//! AWS docs: *Amazon S3 User Guide > Using server-side encryption with customer-provided keys*.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ctr::Ctr64BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use futures_util::future::Either;
use futures_util::{Stream, StreamExt as _};
use haar_clock::IdSource;
use haar_kernel::{Auth, Call};
use haar_wire::AwsError;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::S3;
use crate::refusal;
use crate::rules::customer_key::{self, Said};
use crate::rules::encryption::blocks_customer_keys;
use crate::state::BucketRow;
use crate::store::{Encryption, Record};

/// A number that is used once with a key.
pub(crate) type Nonce = [u8; 16];

/// A customer's key, while a request that brought it is served.
#[derive(Clone)]
pub(crate) struct CustomerKey([u8; 32]);

/// What is kept of a key: enough to know it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    /// Drawn for each object; also the number that its bytes are locked with, unless they came in
    /// parts, which have numbers of their own.
    pub(crate) salt: Nonce,
    proof: [u8; 32],
}

/// A key that came with a new object, and what is kept of it.
pub(crate) struct Brought {
    pub(crate) key: CustomerKey,
    pub(crate) seal: Seal,
}

/// With what bytes are locked on their way in.
#[derive(Clone, Copy)]
pub(crate) struct Sealing<'a> {
    pub(crate) key: &'a CustomerKey,
    pub(crate) nonce: Nonce,
}

/// Locks bytes, or opens them again.
pub(crate) struct Cipher(Ctr64BE<Aes256>);

/// A number for [`Sealing`].
pub(crate) fn draw(ids: &IdSource) -> Nonce {
    let mut nonce = [0; 16];
    ids.fill(&mut nonce);
    nonce
}

impl CustomerKey {
    /// A key of so many bytes.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its MD5 in base64, as answers show it.
    pub(crate) fn md5(&self) -> String {
        STANDARD.encode(Md5::digest(self.0))
    }

    /// What is kept of it for a new object.
    pub(crate) fn seal(&self, ids: &IdSource) -> Seal {
        let salt = draw(ids);
        Seal { salt, proof: self.derived(b"proof", &salt) }
    }

    /// Whether it is the key of an object.
    pub(crate) fn fits(&self, seal: &Seal) -> bool {
        self.derived(b"proof", &seal.salt).ct_eq(&seal.proof).into()
    }

    /// For bytes that were locked with a number, from some byte on.
    pub(crate) fn cipher(&self, nonce: &Nonce, from: u64) -> Cipher {
        let key = self.derived(b"bytes", nonce);
        let mut cipher = Ctr64BE::<Aes256>::new(&key.into(), &[0; 16].into());
        cipher.seek(from);
        Cipher(cipher)
    }

    fn derived(&self, purpose: &[u8], salt: &Nonce) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose);
        mac.update(salt);
        mac.finalize().into_bytes().into()
    }
}

impl Brought {
    /// For bytes that come in whole.
    pub(crate) fn sealing(&self) -> Sealing<'_> {
        Sealing { key: &self.key, nonce: self.seal.salt }
    }
}

impl Sealing<'_> {
    /// From the first byte on.
    pub(crate) fn cipher(&self) -> Cipher {
        self.key.cipher(&self.nonce, 0)
    }
}

impl Cipher {
    /// Goes over the bytes that come next.
    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }

    /// The same with bytes that may be shared.
    pub(crate) fn over(&mut self, bytes: Bytes) -> Bytes {
        let mut bytes = BytesMut::from(bytes);
        self.apply(&mut bytes);
        bytes.freeze()
    }
}

/// A body as it is kept: locked where there is a key.
pub(crate) fn locked<E>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Send,
    sealing: Option<Sealing<'_>>,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    match sealing.map(|sealing| sealing.cipher()) {
        None => Either::Left(pieces),
        Some(mut cipher) => {
            Either::Right(pieces.map(move |piece| piece.map(|piece| cipher.over(piece))))
        }
    }
}

/// The key of a part, which must be its upload's.
pub(crate) fn of_part(
    encryption: &Encryption,
    said: &Said<'_>,
) -> Result<Option<CustomerKey>, AwsError> {
    let key = customer_key::of_writer(said)?.map(CustomerKey);
    match (&encryption.customer, key) {
        (None, None) => Ok(None),
        (Some(seal), Some(key)) if key.fits(seal) => Ok(Some(key)),
        (Some(_), Some(_)) => Err(customer_key::part_has_other()),
        _ => Err(customer_key::part_differs()),
    }
}

/// The key that opens an object, out of what a request that reads it says; none for one that no
/// customer's key locks.
pub(crate) fn opener(
    encryption: &Encryption,
    said: &Said<'_>,
) -> Result<Option<CustomerKey>, AwsError> {
    let key = customer_key::of_reader(said)?;
    match (&encryption.customer, key) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(customer_key::not_applicable()),
        (Some(_), None) => Err(customer_key::missing()),
        (Some(seal), Some(bytes)) => {
            let key = CustomerKey::of(&bytes).filter(|key| key.fits(seal));
            key.map(Some).ok_or_else(customer_key::wrong)
        }
    }
}

impl S3 {
    /// The key that a new object is to be locked with, if its writer brings one.
    pub(crate) fn brought_key(
        &self,
        call: &Call,
        (bucket, key): (&BucketRow, &str),
        said: &Said<'_>,
    ) -> Result<Option<Brought>, AwsError> {
        let Some(bytes) = customer_key::of_writer(said)? else { return Ok(None) };
        self.refuse_open_line(call)?;
        if blocks_customer_keys(bucket) {
            let (who, resource) = (call.principal.arn(), format!("{}/{key}", bucket.arn()));
            return Err(customer_key::blocked(&who, &resource));
        }
        let key = CustomerKey(bytes);
        let seal = key.seal(&self.doors.ids);
        Ok(Some(Brought { key, seal }))
    }

    /// The key that opens an object, out of what a request that reads it says.
    pub(crate) fn opener(
        &self,
        call: &Call,
        record: &Record,
        said: &Said<'_>,
    ) -> Result<Option<CustomerKey>, AwsError> {
        let key = opener(&record.manner.encryption, said)?;
        if key.is_some() {
            self.refuse_open_line(call)?;
        }
        Ok(key)
    }

    /// Keys of customers travel over secure lines only. *Ours*: what stays on this machine is one,
    /// and nothing else reaches a haar that lets everybody in.
    pub(crate) fn refuse_open_line(&self, call: &Call) -> Result<(), AwsError> {
        let stays = call.source_ip.is_none_or(|address| address.to_canonical().is_loopback())
            || self.doors.settings.auth == Auth::Permissive;
        match stays || call.endpoint.starts_with("https:") {
            true => Ok(()),
            false => Err(refusal::invalid_request(
                "Requests specifying Server Side Encryption with Customer provided keys must be \
                 made over a secure connection.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_again_by_what_is_kept_of_it_and_no_other_is() {
        let ids = IdSource::seeded(7);
        let (key, other) = (CustomerKey([1; 32]), CustomerKey([2; 32]));
        let seal = key.seal(&ids);
        assert!(key.fits(&seal) && !other.fits(&seal));
        assert_ne!(seal, key.seal(&ids), "another salt");
    }

    #[test]
    fn bytes_are_opened_from_anywhere() {
        let key = CustomerKey([1; 32]);
        let plain: Vec<u8> = (0..=255).collect();
        let locked = key.cipher(&[3; 16], 0).over(plain.clone().into());
        assert_ne!(locked, plain);
        let opened = key.cipher(&[3; 16], 77).over(locked.slice(77..200));
        assert_eq!(opened, plain[77..200]);
        assert_ne!(key.cipher(&[4; 16], 0).over(plain.clone().into()), locked);
    }
}
