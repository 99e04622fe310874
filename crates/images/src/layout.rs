//! An OCI image layout: a directory of blobs with an index.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use haar_substrate::{BlobFile, ImageError, ImageSource, Manifest};
use serde::Deserialize;
use tokio::io::AsyncSeekExt;
use tokio_util::io::ReaderStream;

use crate::digest;
use crate::document::{self, Descriptor};

/// What names an image in a layout's index.
const NAME: &str = "org.opencontainers.image.ref.name";

/// What a layout holds, by name.
pub(crate) const INDEX: &str = "index.json";

/// A directory with an `index.json` and `blobs/sha256/…`.
pub struct OciLayout {
    dir: PathBuf,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

impl OciLayout {
    /// The layout in this directory.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn path(&self, digest: &str) -> Result<PathBuf, ImageError> {
        Ok(self.dir.join("blobs/sha256").join(digest::digits(digest)?))
    }

    async fn find(&self, tag: &str) -> Result<Descriptor, ImageError> {
        pick(&read(&self.dir.join(INDEX), INDEX).await?, tag)
    }
}

/// The image of an `index.json` that a tag means: the only one, where there is but one.
pub(crate) fn pick(index: &[u8], tag: &str) -> Result<Descriptor, ImageError> {
    let Index { manifests } = document::json(index, INDEX)?;
    let named = |descriptor: &&Descriptor| {
        descriptor.annotations.get(NAME).is_some_and(|name| {
            name == tag || name.rsplit_once(':').is_some_and(|(_, end)| end == tag)
        })
    };
    let only = match manifests.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let found = manifests.iter().find(named).or(only);
    found.cloned().ok_or_else(|| {
        let names = manifests.iter().filter_map(|one| Some(one.annotations.get(NAME)?.as_str()));
        let names: Vec<_> = names.collect();
        ImageError::NotFound(format!("{tag} in the image layout (it has {})", names.join(", ")))
    })
}

#[async_trait]
impl ImageSource for OciLayout {
    fn is_import(&self) -> bool {
        true
    }

    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        if tag_or_digest.starts_with("sha256:") {
            let bytes = read(&self.path(tag_or_digest)?, tag_or_digest).await?;
            return Ok(Manifest { media_type: String::new(), bytes: bytes.into() });
        }
        let Descriptor { digest, media_type, .. } = self.find(tag_or_digest).await?;
        let bytes = read(&self.path(&digest)?, &digest).await?;
        Ok(Manifest { media_type, bytes: bytes.into() })
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        file_stream(&self.path(digest)?, digest, from, u64::MAX).await
    }

    async fn file(&self, digest: &str) -> Result<Option<BlobFile>, ImageError> {
        Ok(file_of(&self.path(digest)?, 0, None).await)
    }
}

/// Part of a file that a blob is said to be; `None` where it cannot be opened: its stream tells
/// why.
pub(crate) async fn file_of(path: &Path, at: u64, size: Option<u64>) -> Option<BlobFile> {
    let file = tokio::fs::File::open(path).await.ok()?;
    let size = match size {
        Some(size) => size,
        None => file.metadata().await.ok()?.len().checked_sub(at)?,
    };
    Some(BlobFile { file: file.into_std().await, at, size })
}

/// Part of a file as a stream.
pub(crate) async fn file_stream(
    path: &Path,
    name: &str,
    from: u64,
    length: u64,
) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
    use tokio::io::AsyncReadExt as _;

    let failed = |error| unreadable(name, error);
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.seek(std::io::SeekFrom::Start(from)).await.map_err(failed)?;
    let name = name.to_owned();
    let stream = ReaderStream::with_capacity(file.take(length), 1 << 20);
    Ok(stream.map_err(move |error| unreadable(&name, error)).boxed())
}

async fn read(path: &Path, name: &str) -> Result<Vec<u8>, ImageError> {
    tokio::fs::read(path).await.map_err(|error| unreadable(name, error))
}

pub(crate) fn unreadable(name: &str, error: std::io::Error) -> ImageError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ImageError::NotFound(name.to_owned()),
        _ => ImageError::Unreachable(name.to_owned(), error),
    }
}
