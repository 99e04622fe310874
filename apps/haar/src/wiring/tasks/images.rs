//! Tasks' images: out of haar's own registry, or of what was brought to the store by hand.

use std::io::SeekFrom;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use haar_blobs::Digest;
use haar_ecr_contract::peek::{EcrPeek, ImageReference, PullError as EcrError, RegistryName};
use haar_ecs::doors::{ImageRequest, Images, PullError, ReadyImage};
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Doors, Principal};
use haar_substrate::{Image, ImageError, ImageRef, ImageSource, ImageStore, Manifest};
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

/// The registry of names that say none.
const DOCKER_HUB: &str = "docker.io";

/// Finds tasks' images.
pub(super) struct TaskImages {
    pub(super) doors: Doors,
    pub(super) iam: Arc<dyn IamPeek>,
}

/// An image's name, taken apart.
struct Name {
    host: String,
    repository: String,
    /// A tag or a digest.
    reference: String,
}

impl Name {
    /// Reads `[HOST/]REPOSITORY[:TAG][@DIGEST]`; a digest goes before a tag.
    fn parse(image: &str) -> Self {
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

fn failed(reason: impl std::fmt::Display, is_transient: bool) -> PullError {
    let reason = format!("pull image manifest has been retried 1 time(s): {reason}");
    PullError { reason, is_transient }
}

#[async_trait]
impl Images for TaskImages {
    async fn pull(&self, request: &ImageRequest) -> Result<ReadyImage, PullError> {
        let store = self.doors.substrate.images();
        let store = store.ok_or_else(|| failed("this host has no image store", false))?;
        let name = Name::parse(&request.image);
        let own = RegistryName { account: request.account.clone(), region: request.region.clone() };
        let ecr = self.doors.peeks.expect::<dyn EcrPeek>();
        match ecr.registry_of(&name.host, &own) {
            Some(registry) => self.pull_own(&*store, ecr, registry, &name, request).await,
            None => find_imported(&*store, &name, request).await,
        }
    }
}

impl TaskImages {
    async fn pull_own(
        &self,
        store: &dyn ImageStore,
        ecr: Arc<dyn EcrPeek>,
        registry: RegistryName,
        name: &Name,
        request: &ImageRequest,
    ) -> Result<ReadyImage, PullError> {
        let role = request.execution_role.as_deref();
        let caller = super::caller(&self.doors, &*self.iam, &request.account, role);
        let caller = caller.map_err(|reason| failed(reason, false))?;
        let repository = name.repository.clone();
        let source = Arc::new(OwnRegistry { ecr, caller, registry, repository });
        let image = ImageRef(request.image.clone());
        let pulled = store.pull(&image, &name.reference, source).await;
        let id = pulled.map_err(|error| pull_error(&request.image, &error))?;
        let found = store.find(&id).await;
        found.map(ready).map_err(|error| pull_error(&request.image, &error))
    }
}

/// Remote registries are not asked: what was imported by that name is taken.
async fn find_imported(
    store: &dyn ImageStore,
    name: &Name,
    request: &ImageRequest,
) -> Result<ReadyImage, PullError> {
    let all = store.list().await.map_err(|error| pull_error(&request.image, &error))?;
    let is_named = |image: &Image| {
        image.id.0 == name.reference
            || image.references.iter().any(|known| same_name(&known.0, &request.image))
    };
    let found = all.into_iter().find(is_named);
    found.map(ready).ok_or_else(|| {
        failed(
            format_args!(
                "failed to resolve ref {}: not found: haar pulls from its own registry and from \
                 images that were imported, not from {}",
                request.image, name.host
            ),
            false,
        )
    })
}

/// `nginx` and `docker.io/nginx:latest` are the same.
fn same_name(one: &str, other: &str) -> bool {
    let (one, other) = (Name::parse(one), Name::parse(other));
    one.host == other.host && one.repository == other.repository && one.reference == other.reference
}

fn ready(image: Image) -> ReadyImage {
    let digest = image.index_digest.unwrap_or_else(|| image.id.0.clone());
    ReadyImage { id: image.id, digest, config: image.config }
}

fn pull_error(image: &str, error: &ImageError) -> PullError {
    failed(format_args!("failed to resolve ref {image}: {error}"), error.is_transient())
}

/// One repository of haar's own registry.
struct OwnRegistry {
    ecr: Arc<dyn EcrPeek>,
    caller: Arc<Principal>,
    registry: RegistryName,
    repository: String,
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
