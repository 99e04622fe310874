//! Images' names, and haar's own registry as a source of images: for all rooms that pull.

use std::io::SeekFrom;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_blobs::Digest;
use haar_ecr_contract::peek::{EcrPeek, ImageReference, PullError as EcrError, RegistryName};
use haar_kernel::Principal;
use haar_substrate::{ImageError, ImageSource, Manifest};
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

/// The registry of names that say none.
const DOCKER_HUB: &str = "docker.io";

/// An image's name, taken apart.
pub(super) struct Name {
    pub(super) host: String,
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) reference: String,
}

impl Name {
    /// Reads `[HOST/]REPOSITORY[:TAG][@DIGEST]`; a digest goes before a tag.
    pub(super) fn parse(image: &str) -> Self {
        let (rest, digest) = match image.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (image, None),
        };
        let (host, rest) = match rest.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => (DOCKER_HUB, rest),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            reference: digest.or(tag).unwrap_or("latest").to_owned(),
        }
    }
}

/// `nginx` and `docker.io/nginx:latest` are the same.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    let (one, other) = (Name::parse(one), Name::parse(other));
    one.host == other.host && one.repository == other.repository && one.reference == other.reference
}

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
        let malformed = |_| ImageError::Malformed(format!("{digest} is no digest"));
        let parsed = digest.parse::<Digest>().map_err(malformed)?;
        let blob = self.ecr.blob(&self.caller, &self.registry, &self.repository, &parsed).await;
        let blob = blob.map_err(image_error)?;
        let name = digest.to_owned();
        let broken = move |error| ImageError::Disk(format!("read {name}"), error);
        let mut file = tokio::fs::File::open(&blob.path).await.map_err(broken.clone())?;
        file.seek(SeekFrom::Start(from)).await.map_err(broken.clone())?;
        Ok(ReaderStream::new(file).map(move |piece| piece.map_err(broken.clone())).boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_docker_does() {
        let parts = |image: &str| {
            let name = Name::parse(image);
            (name.host, name.repository, name.reference)
        };
        let of = |host: &str, repository: &str, reference: &str| {
            (host.to_owned(), repository.to_owned(), reference.to_owned())
        };
        assert_eq!(parts("nginx"), of("docker.io", "nginx", "latest"));
        assert_eq!(parts("library/nginx:1"), of("docker.io", "library/nginx", "1"));
        assert_eq!(parts("localhost:4566/a/b:c"), of("localhost:4566", "a/b", "c"));
        let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
        let named = format!("1.dkr.ecr.us-east-1.localhost/web:1@{digest}");
        assert_eq!(parts(&named), of("1.dkr.ecr.us-east-1.localhost", "web", digest));
        assert!(same_name("nginx", "docker.io/nginx:latest"));
    }
}
