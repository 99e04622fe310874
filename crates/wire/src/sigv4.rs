//! AWS Signature Version 4: who claims to call, whether the signature proves it, and signing.
//!
//! [`claim`] reads what a request says about its caller without believing it; the service and
//! region of its scope also help to find the operation. [`verify`] proves it with the secret.
//! Bodies in signed chunks are unwrapped by a [`ChunkDecoder`], which [`Verified`] hands out.
//!
//! **Invariant:** signatures are compared in constant time; no error tells what was expected.
//!
//! Source of behaviour: *IAM User Guide > AWS Signature Version 4 for API requests*, *Amazon S3
//! API Reference > Authenticating Requests*.

mod canonical;
mod chunk;
mod claim;
mod error;
mod key;
mod sign;
mod verify;

pub use canonical::URI_ENCODED;
pub use chunk::{ChunkDecoder, ChunkEvent};
pub use claim::{Claim, Payload, claim, text_claim};
pub use error::{Dialect, SigError, SigFault};
pub use sign::Signer;
pub(crate) use verify::SKEW_MAX;
pub use verify::{Validity, Verified, refuse_expired, verify, verify_text};

/// Hex of the SHA-256 of `bytes`, as `body_hash` of [`verify`] wants it.
pub fn body_hash(bytes: &[u8]) -> String {
    key::sha256_hex(bytes)
}
