//! An OCI image layout as one archive: `skopeo copy … oci-archive:`, `podman save --format
//! oci-archive`, `buildah push … oci-archive:`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use haar_substrate::{BlobFile, ImageError, ImageSource, Manifest};

use crate::archive::{Part, bytes, missing, parts};
use crate::digest;
use crate::fetch::{blocking, opened};
use crate::layout::{INDEX, file_of, file_stream, pick};

/// An archive with an `index.json` and `blobs/sha256/…`; not compressed as a whole.
pub struct LayoutArchive {
    path: PathBuf,
    parts: BTreeMap<String, Part>,
    index: Vec<u8>,
}

impl LayoutArchive {
    /// Opens an archive and reads its index.
    pub async fn open(path: &Path) -> Result<Self, ImageError> {
        let own = path.to_owned();
        let read = blocking("read an image archive", move || {
            Ok(parts(&own).and_then(|parts| {
                let index = *parts.get(INDEX).ok_or_else(|| missing(INDEX))?;
                Ok(Self { index: bytes(&own, index)?, path: own.clone(), parts })
            }))
        });
        opened(path, read.await?)
    }

    fn part(&self, digest: &str) -> Result<Part, ImageError> {
        let name = format!("blobs/sha256/{}", digest::digits(digest)?);
        let part = self.parts.get(&name);
        part.copied().ok_or_else(|| ImageError::NotFound(format!("{digest} in the archive")))
    }
}

#[async_trait]
impl ImageSource for LayoutArchive {
    fn is_import(&self) -> bool {
        true
    }

    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        let (digest, media_type) = match tag_or_digest.starts_with("sha256:") {
            true => (tag_or_digest.to_owned(), String::new()),
            false => {
                let found = pick(&self.index, tag_or_digest)?;
                (found.digest, found.media_type)
            }
        };
        let (path, part) = (self.path.clone(), self.part(&digest)?);
        let read = blocking("read a manifest", move || Ok(bytes(&path, part))).await?;
        let bytes = read.map_err(|error| ImageError::Malformed(error.to_string()))?;
        Ok(Manifest { media_type, bytes: bytes.into() })
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let part = self.part(digest)?;
        let left = part.size.saturating_sub(from);
        file_stream(&self.path, digest, part.at + from, left).await
    }

    async fn file(&self, digest: &str) -> Result<Option<BlobFile>, ImageError> {
        let part = self.part(digest)?;
        Ok(file_of(&self.path, part.at, Some(part.size)).await)
    }
}
