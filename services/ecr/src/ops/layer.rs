//! Layers through the API: uploaded in parts, found, downloaded.

use std::sync::Arc;

use futures_util::stream;
use haar_blobs::BlobError;
use haar_ecr_contract::model::{
    BatchCheckLayerAvailability, BatchCheckLayerAvailabilityRequest,
    BatchCheckLayerAvailabilityResponse, CompleteLayerUpload, CompleteLayerUploadRequest,
    CompleteLayerUploadResponse, GetDownloadUrlForLayer, GetDownloadUrlForLayerRequest,
    GetDownloadUrlForLayerResponse, InitiateLayerUpload, InitiateLayerUploadRequest,
    InitiateLayerUploadResponse, Layer, LayerAvailability, LayerFailure, LayerFailureCode,
    UploadLayerPart, UploadLayerPartRequest, UploadLayerPartResponse,
};
use haar_kernel::{Answer, Call, Flow, Query};
use haar_ledger::Snapshot;

use crate::Ecr;
use crate::layers::BYTES_MAX;
use crate::lookup::{find_repository, key_of};
use crate::refusal;
use crate::rules::names;
use crate::state::{LayerRow, UploadRow};

/// How long clients should make the parts of an upload.
const PART_SIZE: i64 = 10 << 20;
/// All parts but the last have at least so many bytes.
const PART_SIZE_MIN: u64 = 5 << 20;
/// The media type of layers whose own nobody has told.
const MEDIA_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// AWS docs: *Amazon ECR API Reference > BatchCheckLayerAvailability*.
impl Query<BatchCheckLayerAvailability> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: BatchCheckLayerAvailabilityRequest,
    ) -> Answer<BatchCheckLayerAvailability> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        let (mut layers, mut failures) = (Vec::new(), Vec::new());
        for text in input.layer_digests {
            let Some(digest) = names::digest(&text) else {
                let reason = "Invalid layer digest".to_owned();
                failures.push(LayerFailure {
                    layer_digest: Some(text),
                    failure_code: Some(LayerFailureCode::InvalidLayerDigest),
                    failure_reason: Some(reason),
                });
                continue;
            };
            let found = self.layer(&key.layer(digest));
            layers.push(Layer {
                layer_digest: Some(text),
                layer_availability: Some(match found {
                    Some(_) => LayerAvailability::Available,
                    None => LayerAvailability::Unavailable,
                }),
                layer_size: found.as_ref().and_then(|row| i64::try_from(row.size).ok()),
                media_type: found.map(|_| MEDIA_TYPE.to_owned()),
            });
        }
        Ok(BatchCheckLayerAvailabilityResponse { layers: Some(layers), failures: Some(failures) })
    }
}

/// AWS docs: *Amazon ECR API Reference > InitiateLayerUpload*.
impl Flow<InitiateLayerUpload> for Ecr {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: InitiateLayerUploadRequest,
    ) -> Answer<InitiateLayerUpload> {
        let key = key_of(&call, input.registry_id.as_ref(), &input.repository_name);
        let upload_id = self.begin_upload(&call, &key).await?;
        Ok(InitiateLayerUploadResponse { upload_id: Some(upload_id), part_size: Some(PART_SIZE) })
    }
}

/// AWS docs: *Amazon ECR API Reference > UploadLayerPart*.
impl Flow<UploadLayerPart> for Ecr {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: UploadLayerPartRequest,
    ) -> Answer<UploadLayerPart> {
        let key = key_of(&call, input.registry_id.as_ref(), &input.repository_name);
        let upload = self.find_upload(&key, &input.upload_id)?;
        let length = input.layer_part_blob.len() as u64;
        let first = u64::try_from(input.part_first_byte).unwrap_or_default();
        let blobs = &self.doors.blobs;
        let is_whole = input.part_last_byte - input.part_first_byte + 1
            == i64::try_from(length).unwrap_or(i64::MAX);
        if !is_whole || length == 0 {
            let received = blobs.upload_length(&input.upload_id).await.unwrap_or_default();
            return Err(refusal::bad_part(&key, &input.upload_id, received));
        }
        let part = stream::iter([Ok::<_, std::convert::Infallible>(input.layer_part_blob)]);
        let appended = blobs.append_upload(&input.upload_id, Some(first), part, BYTES_MAX).await;
        let received = appended.map_err(|fault| match fault {
            BlobError::OutOfOrder(received) => refusal::bad_part(&key, &input.upload_id, received),
            BlobError::NoUpload(_) => refusal::no_upload(&key, &input.upload_id),
            BlobError::Sender(text) => refusal::error("LimitExceededException", text),
            fault => refusal::server(&fault),
        })?;
        self.commit(|tx| {
            tx.update::<UploadRow>(&upload.key, |row| {
                row.part_count += 1;
                row.is_spoilt |= row.has_short_part;
                row.has_short_part = length < PART_SIZE_MIN;
            });
            Ok(())
        })
        .await?;
        Ok(UploadLayerPartResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            upload_id: Some(input.upload_id),
            last_byte_received: i64::try_from(received).ok().map(|count| count - 1),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > CompleteLayerUpload*.
impl Flow<CompleteLayerUpload> for Ecr {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: CompleteLayerUploadRequest,
    ) -> Answer<CompleteLayerUpload> {
        let key = key_of(&call, input.registry_id.as_ref(), &input.repository_name);
        let upload = self.find_upload(&key, &input.upload_id)?;
        if upload.part_count == 0 {
            let text = "The specified layer upload does not contain any layer parts.";
            return Err(refusal::error("EmptyUploadException", text));
        }
        if upload.is_spoilt {
            let text = "Layer parts must be at least 5 MiB in size.";
            return Err(refusal::error("LayerPartTooSmallException", text));
        }
        let digest = input.layer_digests.iter().find_map(|text| names::digest(text));
        let digest = digest.ok_or_else(|| {
            refusal::constraint("layerDigests", "must hold a digest of the algorithm sha256")
        })?;
        if self.doors.ledger.snapshot().contains::<LayerRow>(&key.layer(digest)) {
            let text = "The image layer already exists in the associated repository.";
            return Err(refusal::error("LayerAlreadyExistsException", text));
        }
        let finished = self.finish_upload(&upload, &digest.into(), call.now).await?;
        if finished.is_err() {
            let text = "The layer digest calculation performed by Amazon ECR upon receipt of the \
                        image layer does not match the digest specified.";
            return Err(refusal::error("InvalidLayerException", text));
        }
        Ok(CompleteLayerUploadResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            upload_id: Some(input.upload_id),
            layer_digest: Some(digest.to_string()),
        })
    }
}

/// AWS docs: *Amazon ECR API Reference > GetDownloadUrlForLayer*.
impl Flow<GetDownloadUrlForLayer> for Ecr {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetDownloadUrlForLayerRequest,
    ) -> Answer<GetDownloadUrlForLayer> {
        let key = key_of(&call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(&self.doors.ledger.snapshot(), &key)?;
        let missing = || refusal::no_layer(&key, &input.layer_digest);
        let digest = names::digest(&input.layer_digest).ok_or_else(missing)?;
        self.ensure_layer(&key, &digest).await?.ok_or_else(missing)?;
        Ok(GetDownloadUrlForLayerResponse {
            download_url: Some(self.downloads.url(&call, &digest)),
            layer_digest: Some(input.layer_digest),
        })
    }
}
