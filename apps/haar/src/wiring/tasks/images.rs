//! Tasks' images: brought to the store by hand, out of haar's own registry, or of any other.

mod logins;

use std::sync::Arc;

use async_trait::async_trait;
use haar_ecr_contract::peek::{EcrPeek, RegistryName};
use haar_ecs::doors::{ImageRequest, Images, PullError, PullStage, ReadyImage};
use haar_iam_contract::peek::IamPeek;
use haar_kernel::Doors;
use haar_registry::{ImageName, Registries, Remote};
use haar_substrate::{Image, ImageError, ImageRef, ImageSource, ImageStore};

use super::super::images::OwnRegistry;

/// Finds tasks' images.
pub(super) struct TaskImages {
    pub(super) doors: Doors,
    pub(super) iam: Arc<dyn IamPeek>,
    pub(super) registries: Arc<Registries>,
}

fn refused(reason: impl Into<String>) -> PullError {
    PullError { stage: PullStage::Manifest, reason: reason.into(), is_transient: false }
}

#[async_trait]
impl Images for TaskImages {
    async fn pull(&self, request: &ImageRequest) -> Result<ReadyImage, PullError> {
        let store = self.doors.substrate.images();
        let store = store.ok_or_else(|| refused("this host has no image store"))?;
        let name = ImageName::parse(&request.image);
        if let Some(found) = find_imported(&*store, &request.image, name.as_ref()).await? {
            return Ok(ready(found));
        }
        let invalid = || refused(format!("{}: invalid reference format", request.image));
        let name = name.ok_or_else(invalid)?;
        let own = RegistryName { account: request.account.clone(), region: request.region.clone() };
        let ecr = self.doors.peeks.expect::<dyn EcrPeek>();
        let source = match ecr.registry_of(&name.host, &own) {
            Some(registry) => self.own(ecr, registry, &name, request)?,
            None => self.remote(&name, request).await?,
        };
        let image = ImageRef(request.image.clone());
        let pulled = store.pull(&image, &name.reference, source).await;
        let id = pulled.map_err(|error| pull_error(&name, &error))?;
        let found = store.find(&id).await;
        found.map(ready).map_err(|error| pull_error(&name, &error))
    }
}

impl TaskImages {
    fn own(
        &self,
        ecr: Arc<dyn EcrPeek>,
        registry: RegistryName,
        name: &ImageName,
        request: &ImageRequest,
    ) -> Result<Arc<dyn ImageSource>, PullError> {
        let role = request.execution_role.as_deref();
        let caller = super::caller(&self.doors, &*self.iam, &request.account, role);
        let caller = caller.map_err(refused)?;
        let repository = name.repository.clone();
        Ok(Arc::new(OwnRegistry { ecr, caller, registry, repository }))
    }

    async fn remote(
        &self,
        name: &ImageName,
        request: &ImageRequest,
    ) -> Result<Arc<dyn ImageSource>, PullError> {
        let login = self.login(&name.host, request).await?;
        let registries = Arc::clone(&self.registries);
        match Remote::resolve(registries, name.clone(), login).await {
            Ok(remote) => Ok(Arc::new(remote)),
            Err(error) => Err(PullError {
                stage: PullStage::Manifest,
                reason: format!("failed to resolve ref {name}: {name}: {error}"),
                is_transient: error.is_transient(),
            }),
        }
    }
}

/// What was brought in by hand goes before what its registry has.
async fn find_imported(
    store: &dyn ImageStore,
    asked: &str,
    name: Option<&ImageName>,
) -> Result<Option<Image>, PullError> {
    let is_digest = |image: &Image, digest: &str| {
        image.id.0 == digest || image.index_digest.as_deref() == Some(digest)
    };
    let is_meant = |image: &Image| {
        image.imported_as.iter().any(|known| {
            let known_name = ImageName::parse(&known.0);
            let (Some(name), Some(known_name)) = (name, known_name) else {
                return known.0 == asked;
            };
            let is_place = known_name.host == name.host && known_name.repository == name.repository;
            is_place
                && (known_name.reference == name.reference || is_digest(image, &name.reference))
        })
    };
    let all = store.list().await.map_err(|error| refused(error.to_string()))?;
    Ok(all.into_iter().find(is_meant))
}

fn ready(image: Image) -> ReadyImage {
    let digest = image.index_digest.unwrap_or_else(|| image.id.0.clone());
    let is_kept_by_digest = image.imported_as.is_empty();
    ReadyImage { id: image.id, digest, is_kept_by_digest, config: image.config }
}

/// Why a store could not take an image, in the words of AWS's agents.
fn pull_error(name: &ImageName, error: &ImageError) -> PullError {
    let (stage, reason) = match error {
        ImageError::NotFound(_) | ImageError::Denied(..) => {
            (PullStage::Manifest, format!("failed to resolve ref {name}: {error}"))
        }
        ImageError::NoPlatform(platform) => (
            PullStage::Manifest,
            format!("image Manifest does not contain descriptor matching platform '{platform}'"),
        ),
        ImageError::Unreachable(what, why) => {
            (PullStage::Layers, format!("failed to copy: httpReadSeeker: {what}: {why}"))
        }
        ImageError::Disk(doing, why) => {
            (PullStage::Layers, format!("failed to extract layer: could not {doing}: {why}"))
        }
        ImageError::Malformed(_) | ImageError::TooLarge(_) => {
            (PullStage::Layers, format!("failed to extract layer: {error}"))
        }
    };
    PullError { stage, reason, is_transient: error.is_transient() }
}
