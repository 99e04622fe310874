//! Images, for the rooms and runtimes that pull them without going over HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use haar_blobs::{Digest, Hold};
use haar_kernel::Principal;
use haar_types::{AccountId, Region};

/// A private registry: each account has one in each region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryName {
    /// Its account; AWS calls this the registry id.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageReference {
    /// The one that a tag stands at now.
    Tag(String),
    /// The one of this digest, which never changes.
    Digest(Digest),
}

/// A manifest or an index, as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledManifest {
    /// Of the bytes.
    pub digest: Digest,
    /// Such as `application/vnd.oci.image.manifest.v1+json`.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// A layer or an image configuration on disk.
#[derive(Debug)]
pub struct PulledBlob {
    /// Where its bytes are; to be read only. A file that was opened stays readable for as long
    /// as it is open, whatever happens to the image.
    pub path: PathBuf,
    /// How many there are.
    pub size: u64,
    /// Keeps the bytes there: to be dropped when they are open.
    pub hold: Hold,
}

/// Why an image cannot be pulled. The texts are AWS's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// No such repository, tag, digest or layer.
    #[error("{0}")]
    NotFound(String),
    /// The caller's policies, or the repository's, do not let it.
    #[error("{0}")]
    Denied(String),
    /// The upstream registry of a pull-through cache did not answer, or the disk failed.
    #[error("{0}")]
    Unavailable(String),
}

impl PullError {
    /// True when the same call may succeed later with nothing else changed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Reads images out of this haar's registries, as `docker pull` would: policies decide in
/// `enforce` mode, pulls are counted and dated, pull-through cache rules fetch what is missing.
#[async_trait]
pub trait EcrPeek: Send + Sync + 'static {
    /// The registry that the host of an image reference names, such as
    /// `123456789012.dkr.ecr.us-east-1.localhost:4566` or, for `localhost:4566`, the registry
    /// of `own`. None for hosts that are not this haar's: the image is elsewhere.
    fn registry_of(&self, host: &str, own: &RegistryName) -> Option<RegistryName>;

    /// The manifest or index of a tag or digest. Counts as a pull of that image.
    ///
    /// # Errors
    /// [`PullError`].
    async fn manifest(
        &self,
        caller: &Arc<Principal>,
        registry: &RegistryName,
        repository: &str,
        reference: &ImageReference,
    ) -> Result<PulledManifest, PullError>;

    /// A layer or configuration of an image.
    ///
    /// # Errors
    /// [`PullError`].
    async fn blob(
        &self,
        caller: &Arc<Principal>,
        registry: &RegistryName,
        repository: &str,
        digest: &Digest,
    ) -> Result<PulledBlob, PullError>;
}
