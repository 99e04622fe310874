//! Functions' images, out of haar's own registry.

use std::sync::Arc;

use async_trait::async_trait;
use haar_blobs::Digest;
use haar_ecr_contract::peek::{EcrPeek, RegistryName};
use haar_kernel::{Doors, Principal};
use haar_lambda::doors::{FunctionImages, ImageFailure, ImageRequest};
use haar_registry::ImageName;
use haar_substrate::{ImageError, ImageRef, ImageSource as _, Manifest};
use serde_json::Value;

use super::images::OwnRegistry;

/// What Lambda takes. AWS docs: *Create a Lambda function using a container image*: one image of
/// either format, no index of several.
const MANIFESTS: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
];
const CONFIGS: [&str; 2] =
    ["application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"];
/// How the types of layers begin; behind it comes how they are compressed.
const LAYERS: [&str; 2] =
    ["application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"];

/// Finds functions' images.
pub(super) struct RegistryImages {
    pub(super) doors: Doors,
}

impl RegistryImages {
    /// The repository that an image's name is about, and its tag or digest. It must be of this
    /// haar's registries and of the function's region, and say which image of the repository.
    fn source(&self, request: &ImageRequest) -> Result<(OwnRegistry, String), ImageFailure> {
        let name = ImageName::parse(&request.uri).ok_or(ImageFailure::NotValid)?;
        let ImageName { host, repository, reference } = name;
        let own = RegistryName { account: request.account.clone(), region: request.region.clone() };
        let ecr = self.doors.peeks.expect::<dyn EcrPeek>();
        let registry = ecr.registry_of(&host, &own).ok_or(ImageFailure::NotValid)?;
        let rest = request.uri.strip_prefix(&host).unwrap_or(&request.uri);
        let marks = rest.split('@').next().map_or(0, |named| named.matches(':').count())
            + rest.matches('@').count();
        if marks != 1 || registry.region != own.region {
            return Err(ImageFailure::NotValid);
        }
        // the function's account reads; another account's repository must let it
        let caller = Arc::new(Principal::root(request.account.clone()));
        Ok((OwnRegistry { ecr, caller, registry, repository }, reference))
    }
}

#[async_trait]
impl FunctionImages for RegistryImages {
    async fn resolve(&self, request: &ImageRequest) -> Result<Digest, ImageFailure> {
        let (source, reference) = self.source(request)?;
        let manifest = source.manifest(&reference).await.map_err(|error| failure(&error))?;
        match is_supported(&manifest) {
            true => Ok(Digest::of(&manifest.bytes)),
            false => Err(ImageFailure::Unsupported),
        }
    }

    async fn pull(&self, request: &ImageRequest) -> Result<(), ImageFailure> {
        let lacks = || ImageFailure::Unavailable("this host has no image store".to_owned());
        let store = self.doors.substrate.images().ok_or_else(lacks)?;
        let (source, reference) = self.source(request)?;
        let reference = request.digest.map_or(reference, |digest| digest.to_string());
        let name = ImageRef(request.uri.clone());
        let pulled = store.pull(&name, &reference, Arc::new(source)).await;
        pulled.map(drop).map_err(|error| failure(&error))
    }
}

fn failure(error: &ImageError) -> ImageFailure {
    match error {
        ImageError::NotFound(_) => ImageFailure::Missing,
        ImageError::Denied(..) => ImageFailure::Denied,
        ImageError::Malformed(_) | ImageError::NoPlatform(_) | ImageError::TooLarge(_) => {
            ImageFailure::Broken(error.to_string())
        }
        ImageError::Unreachable(..) | ImageError::Disk(..) => {
            ImageFailure::Unavailable(error.to_string())
        }
    }
}

/// One image, with a configuration and layers of the usual types.
fn is_supported(manifest: &Manifest) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(&manifest.bytes) else { return false };
    let type_of = |part: &Value| part["mediaType"].as_str().unwrap_or_default().to_owned();
    let config = type_of(&document["config"]);
    let layers = document["layers"].as_array();
    let is_layer = |layer: &Value| LAYERS.iter().any(|begin| type_of(layer).starts_with(begin));
    MANIFESTS.contains(&manifest.media_type.as_str())
        && CONFIGS.contains(&config.as_str())
        && layers.is_some_and(|layers| layers.iter().all(is_layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(media_type: &str, config: &str, layer: &str) -> Manifest {
        let document = serde_json::json!({
            "config": { "mediaType": config }, "layers": [{ "mediaType": layer }],
        });
        Manifest { media_type: media_type.to_owned(), bytes: document.to_string().into() }
    }

    #[test]
    fn images_of_both_formats_are_taken_and_nothing_else() {
        let zstd = format!("{}+zstd", LAYERS[1]);
        assert!(is_supported(&manifest(MANIFESTS[0], CONFIGS[0], LAYERS[0])));
        assert!(is_supported(&manifest(MANIFESTS[1], CONFIGS[1], &zstd)));
        let index = "application/vnd.oci.image.index.v1+json";
        assert!(!is_supported(&manifest(index, CONFIGS[1], LAYERS[1])));
        let chart = "application/vnd.cncf.helm.config.v1+json";
        assert!(!is_supported(&manifest(MANIFESTS[1], chart, LAYERS[1])));
        assert!(!is_supported(&manifest(MANIFESTS[1], CONFIGS[1], "application/json")));
    }
}
