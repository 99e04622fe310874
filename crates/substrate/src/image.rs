//! Images: where they are kept for the substrate, and where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ImageId;

/// An image by registry, repository and tag or digest, as people write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageRef(pub String);

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image's name without its tag and digest. The colon of a registry's port begins no tag.
pub fn repository_of(image: &str) -> &str {
    let named = image.split('@').next().unwrap_or_default();
    match named.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => named,
    }
}

/// Keeps images ready to run: unpacked, verified, bounded.
///
/// Every verb is idempotent, and nothing is retried in here but what a full disk had no room for,
/// once: callers do, where [`ImageError::is_transient`]; what was fetched before a failure is not
/// fetched again then.
#[async_trait]
pub trait ImageStore: Send + Sync + 'static {
    /// Makes the image be here, its layers unpacked, and answers its id. `reference` is kept as
    /// its name; `tag_or_digest` is what `source` is asked for.
    async fn pull(
        &self,
        reference: &ImageRef,
        tag_or_digest: &str,
        source: Arc<dyn ImageSource>,
    ) -> Result<ImageId, ImageError>;

    /// An image that is here.
    async fn find(&self, id: &ImageId) -> Result<Image, ImageError>;

    /// All that are here.
    async fn list(&self) -> Result<Vec<Image>, ImageError>;

    /// Forgets an image that nothing uses and nobody holds; its layers go when nothing uses them.
    async fn remove(&self, id: &ImageId) -> Result<(), ImageError>;

    /// Keeps these images for `holder`, in place of those that it held before, whether they are
    /// here by now or not. Forgotten with the process: holders tell again when they start.
    fn hold(&self, holder: &str, images: BTreeSet<ImageId>);

    /// What a directory of an image has, by name, as its containers would see it; `None` where
    /// there is no such directory.
    async fn directory(
        &self,
        id: &ImageId,
        path: &str,
    ) -> Result<Option<Vec<ImageEntry>>, ImageError>;
}

/// One name in a directory of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageEntry {
    /// Without its directory.
    pub name: String,
    /// It is, or leads to, a file that may be executed.
    pub is_program: bool,
}

/// Where manifests and blobs come from: haar's own registry, a remote one, a directory.
/// Answers bytes as they are; the store checks digests.
#[async_trait]
pub trait ImageSource: Send + Sync + 'static {
    /// The manifest or index with this tag or digest.
    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError>;

    /// A blob's bytes from an offset on.
    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError>;

    /// Where a blob lies on this machine's disk: its bytes need not come by [`Self::blob`] then,
    /// nor be written down once more. The store checks them all the same.
    async fn file(&self, digest: &str) -> Result<Option<BlobFile>, ImageError> {
        let _ = digest;
        Ok(None)
    }

    /// True for what is on this machine's disk: its name here is its operator's choice.
    fn is_import(&self) -> bool {
        false
    }
}

/// A blob, or what is said to be one, in a file that is there.
#[derive(Debug)]
pub struct BlobFile {
    /// Opened for reading.
    pub file: File,
    /// Where in it the blob begins, in bytes.
    pub at: u64,
    /// Bytes of the blob.
    pub size: u64,
}

/// A manifest or index, as its source has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// As the source says; where empty, the document's own `mediaType` counts.
    pub media_type: String,
    /// The document; its digest is over exactly these bytes.
    pub bytes: Bytes,
}

/// An image in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Digest of its manifest.
    pub id: ImageId,
    /// Digest of the index that it was chosen from, where it was: what registries call it by.
    pub index_digest: Option<String>,
    /// Names that it was pulled by.
    pub references: Vec<ImageRef>,
    /// Those of its names that were given to it on this machine: no registry is to be asked.
    #[serde(default)]
    pub imported_as: Vec<ImageRef>,
    /// Bytes of its layers as they came.
    pub size_bytes: u64,
    /// Bytes of its layers' archives unpacked; 0 where that is not known.
    #[serde(default)]
    pub unpacked_bytes: u64,
    /// When it was pulled first.
    pub pulled_at: Timestamp,
    /// How it wants to run.
    pub config: ImageConfig,
}

/// How an image wants to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `linux/amd64`.
    pub platform: String,
    /// Its entry point.
    pub entrypoint: Vec<String>,
    /// Its command, put after the entry point.
    pub cmd: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its working directory; may be empty.
    pub cwd: String,
    /// Its user; may be empty.
    pub user: String,
    /// Its stop signal; may be empty.
    pub stop_signal: String,
    /// Ports that it says it serves: `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Directories that it wants as volumes.
    pub volumes: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its health check.
    pub healthcheck: Option<ImageHealthcheck>,
}

/// An image's health check; `None` is its builder's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageHealthcheck {
    /// `NONE`, `CMD` with a program and arguments, or `CMD-SHELL` with a line.
    pub test: Vec<String>,
    /// Between checks.
    pub interval: Option<Duration>,
    /// A check that takes longer has failed.
    pub timeout: Option<Duration>,
    /// Failures before the first success do not count for so long.
    pub start_period: Option<Duration>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<u32>,
}

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The source has no such tag, digest or repository, or the store no such image.
    #[error("{0} not found")]
    NotFound(String),
    /// The source wants other credentials.
    #[error("access to {0} was denied: {1}")]
    Denied(String, String),
    /// The source did not answer, or stopped in the middle.
    #[error("could not fetch {0}")]
    Unreachable(String, #[source] std::io::Error),
    /// The image is not what it says: a wrong digest, a path out of its root, a bad archive.
    #[error("image is malformed: {0}")]
    Malformed(String),
    /// The index names no image for this host.
    #[error("no image for platform {0} in the index")]
    NoPlatform(String),
    /// It holds more than the store takes.
    #[error("image is too large: {0}")]
    TooLarge(String),
    /// The disk is full, or failed.
    #[error("could not {0}")]
    Disk(String, #[source] std::io::Error),
}

impl ImageError {
    /// True when the same call may succeed later with nothing else changed. A full disk does not
    /// empty itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(..) => true,
            Self::Disk(..) => !self.is_full(),
            _ => false,
        }
    }

    /// True when the disk had no room for it.
    pub fn is_full(&self) -> bool {
        let Self::Disk(_, error) = self else { return false };
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}
