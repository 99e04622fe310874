//! haar's own registry as a source of images, without going over HTTP: for all rooms that pull.

use std::io::SeekFrom;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_blobs::Digest;
use haar_ecr_contract::peek::{EcrPeek, ImageReference, PullError as EcrError, RegistryName};
use haar_kernel::Principal;
use haar_substrate::{BlobFile, ImageError, ImageSource, Manifest};
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

/// One repository of haar's own registry, as a caller sees it.
pub(super) struct OwnRegistry {
    pub(super) ecr: Arc<dyn EcrPeek>,
    pub(super) caller: Arc<Principal>,
    pub(super) registry: RegistryName,
    pub(super) repository: String,
}

fn image_error(error: EcrError) -> ImageError {
    match error {
        EcrError::NotFound(text) => ImageError::NotFound(text),
        EcrError::Denied(text) => ImageError::Denied("the image".to_owned(), text),
        EcrError::Unavailable(text) => {
            ImageError::Unreachable(text.clone(), std::io::Error::other(text))
        }
    }
}

#[async_trait]
impl ImageSource for OwnRegistry {
    async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, ImageError> {
        let reference = match tag_or_digest.parse::<Digest>() {
            Ok(digest) => ImageReference::Digest(digest),
            Err(_) => ImageReference::Tag(tag_or_digest.to_owned()),
        };
        let pulled =
            self.ecr.manifest(&self.caller, &self.registry, &self.repository, &reference).await;
        let pulled = pulled.map_err(image_error)?;
        Ok(Manifest { media_type: pulled.media_type, bytes: pulled.bytes })
    }

    async fn blob(
        &self,
        digest: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, ImageError>>, ImageError> {
        let mut file = self.open(digest).await?;
        let name = digest.to_owned();
        let broken = move |error| ImageError::Disk(format!("read {name}"), error);
        file.seek(SeekFrom::Start(from)).await.map_err(broken.clone())?;
        Ok(ReaderStream::new(file).map(move |piece| piece.map_err(broken.clone())).boxed())
    }

    async fn file(&self, digest: &str) -> Result<Option<BlobFile>, ImageError> {
        let file = self.open(digest).await?;
        let broken = |error| ImageError::Disk(format!("read {digest}"), error);
        let size = file.metadata().await.map_err(broken)?.len();
        Ok(Some(BlobFile { file: file.into_std().await, at: 0, size }))
    }
}

impl OwnRegistry {
    async fn open(&self, digest: &str) -> Result<tokio::fs::File, ImageError> {
        let malformed = |_| ImageError::Malformed(format!("{digest} is no digest"));
        let parsed = digest.parse::<Digest>().map_err(malformed)?;
        let blob = self.ecr.blob(&self.caller, &self.registry, &self.repository, &parsed).await;
        let blob = blob.map_err(image_error)?;
        let broken = |error| ImageError::Disk(format!("read {digest}"), error);
        tokio::fs::File::open(&blob.path).await.map_err(broken)
    }
}
