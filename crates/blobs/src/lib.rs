//! Customer bytes: code archives, layers, objects; addressed by what they are.
//!
//! A blob is a file named by its SHA-256 digest. It is written beside its place, flushed and
//! renamed, so that a name that exists always holds the whole content. What is not referred
//! to any more is removed by [`Blobs::sweep`], told by the rooms which digests they hold. Bytes
//! that come in pieces are an upload until [`Blobs::finish_upload`] makes a blob of them.
//!
//! **Invariant:** a digest's content never changes. **Invariant:** `put` returns after the
//! bytes are on disk.
//!
//! Begin with [`Blobs`].

#![allow(clippy::disallowed_methods)] // file work is handed to tokio's blocking threads

mod arrival;
mod digest;
mod hold;
mod piece;
mod reading;
mod store;
mod uploads;
mod window;

pub use arrival::{Arrived, Witness};
pub use digest::{Digest, Digest512, DigestError};
pub use hold::Hold;
pub use reading::OpenBlob;
pub use store::{BlobError, Blobs};
