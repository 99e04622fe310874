//! Tasks' images: out of haar's own registry, or of what was brought to the store by hand.

use std::sync::Arc;

use async_trait::async_trait;
use haar_ecr_contract::peek::{EcrPeek, RegistryName};
use haar_ecs::doors::{ImageRequest, Images, PullError, ReadyImage};
use haar_iam_contract::peek::IamPeek;
use haar_kernel::Doors;
use haar_substrate::{Image, ImageError, ImageRef, ImageStore};

use super::super::images::{Name, OwnRegistry, same_name};

/// Finds tasks' images.
pub(super) struct TaskImages {
    pub(super) doors: Doors,
    pub(super) iam: Arc<dyn IamPeek>,
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

fn ready(image: Image) -> ReadyImage {
    let digest = image.index_digest.unwrap_or_else(|| image.id.0.clone());
    ReadyImage { id: image.id, digest, config: image.config }
}

fn pull_error(image: &str, error: &ImageError) -> PullError {
    failed(format_args!("failed to resolve ref {image}: {error}"), error.is_transient())
}
