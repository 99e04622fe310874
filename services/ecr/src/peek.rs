//! What the runtime and other rooms ask.

use std::sync::Arc;

use async_trait::async_trait;
use haar_blobs::Digest;
use haar_ecr_contract::model::ImageIdentifier;
use haar_ecr_contract::peek::{
    EcrPeek, ImageReference, PullError, PulledBlob, PulledManifest, RegistryName,
};
use haar_kernel::Principal;
use haar_wire::AwsError;

use crate::Ecr;
use crate::lookup::{expect_image, find_repository};
use crate::refusal;
use crate::rules::hosts;
use crate::state::RegistryKey;

#[async_trait]
impl EcrPeek for Ecr {
    fn registry_of(&self, host: &str, own: &RegistryName) -> Option<RegistryName> {
        if let Some(RegistryKey { account, region }) = hosts::registry_of(host) {
            return Some(RegistryName { account, region });
        }
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let is_own = hosts::is_local(host) && port == Some(self.doors.settings.port);
        is_own.then(|| own.clone())
    }

    async fn manifest(
        &self,
        caller: &Arc<Principal>,
        registry: &RegistryName,
        repository: &str,
        reference: &ImageReference,
    ) -> Result<PulledManifest, PullError> {
        let key = RegistryKey::from(registry).repository(repository);
        let call = self.doors.call_as(Arc::clone(caller), key.registry.region.clone());
        self.permit(&call, &key, "ecr:BatchGetImage").map_err(pull_error)?;
        let id = match reference {
            ImageReference::Tag(tag) => {
                ImageIdentifier { image_tag: Some(tag.clone()), image_digest: None }
            }
            ImageReference::Digest(digest) => {
                ImageIdentifier { image_digest: Some(digest.to_string()), image_tag: None }
            }
        };
        self.ensure_image(&call, &key, &id).await.map_err(pull_error)?;
        let snapshot = self.doors.ledger.snapshot();
        find_repository(&snapshot, &key).map_err(pull_error)?;
        let image = expect_image(&snapshot, &key, &id).map_err(pull_error)?;
        if image.is_archived {
            return Err(pull_error(refusal::archived(&key, &id)));
        }
        let _hold = self.doors.blobs.hold([image.key.digest]);
        let read = self.doors.blobs.bytes(&image.key.digest).await;
        let bytes = read.map_err(|fault| pull_error(refusal::server(&fault)))?;
        self.pulls.record(&image, caller);
        let media_type = image.media_type.clone();
        Ok(PulledManifest { digest: image.key.digest, media_type, bytes })
    }

    async fn blob(
        &self,
        caller: &Arc<Principal>,
        registry: &RegistryName,
        repository: &str,
        digest: &Digest,
    ) -> Result<PulledBlob, PullError> {
        let key = RegistryKey::from(registry).repository(repository);
        let call = self.doors.call_as(Arc::clone(caller), key.registry.region.clone());
        self.permit(&call, &key, "ecr:GetDownloadUrlForLayer").map_err(pull_error)?;
        let hold = self.doors.blobs.hold([*digest]); // before it is looked for
        let found = self.ensure_layer(&key, digest).await.map_err(pull_error)?;
        let missing = || pull_error(refusal::no_layer(&key, &digest.to_string()));
        let size = found.ok_or_else(missing)?.size;
        Ok(PulledBlob { path: self.doors.blobs.path(digest), size, hold })
    }
}

fn pull_error(error: AwsError) -> PullError {
    let text = error.message().to_owned();
    match error.name() {
        "AccessDeniedException" => PullError::Denied(text),
        _ if error.status() >= 500 => PullError::Unavailable(text),
        _ => PullError::NotFound(text),
    }
}
