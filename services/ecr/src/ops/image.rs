//! Images: put, read, listed, deleted.

use std::sync::Arc;

use bytes::Bytes;
use haar_ecr_contract::model::{
    BatchDeleteImage, BatchDeleteImageRequest, BatchDeleteImageResponse, BatchGetImage,
    BatchGetImageRequest, BatchGetImageResponse, DescribeImages, DescribeImagesRequest,
    DescribeImagesResponse, Image, ImageFailure, ImageFailureCode, ImageIdentifier, ImageStatus,
    ImageStatusFilter, ListImages, ListImagesRequest, ListImagesResponse, PutImage,
    PutImageRequest, PutImageResponse, TagStatus,
};
use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_ledger::{Snapshot, Tx};
use haar_wire::AwsError;

use crate::Ecr;
use crate::images::{self, Push};
use crate::listing::PageAsk;
use crate::lookup::{expect_image, find_image, find_repository, key_of};
use crate::refusal;
use crate::render;
use crate::rules::{manifest, names};
use crate::state::{ImageRow, RepositoryKey};

/// Images on a page where the caller asks for no number.
const PAGE_COUNT: usize = 100;

/// AWS docs: *Amazon ECR API Reference > PutImage*.
impl Flow<PutImage> for Ecr {
    async fn flow(self: Arc<Self>, call: Call, input: PutImageRequest) -> Answer<PutImage> {
        let key = key_of(&call, input.registry_id.as_ref(), &input.repository_name);
        let tag = input.image_tag.as_deref();
        if tag.is_some_and(|tag| !names::is_tag(tag)) {
            let text = "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}'";
            return Err(refusal::constraint("imageTag", text));
        }
        let declared = input.image_manifest_media_type.as_deref();
        let parsed = manifest::parse(input.image_manifest.as_bytes(), declared);
        let parsed = parsed.map_err(|why| refusal::constraint("ImageManifest", &why))?;
        let bytes = Bytes::from(input.image_manifest.clone());
        let digest = haar_blobs::Digest::of(&bytes);
        if input.image_digest.as_ref().is_some_and(|given| *given != digest.to_string()) {
            let text = "The specified image digest does not match the digest that Amazon ECR \
                        calculated for the image.";
            return Err(refusal::error("ImageDigestDoesNotMatchException", text));
        }
        find_repository(&self.doors.ledger.snapshot(), &key)?;
        let manifest_size = bytes.len() as u64;
        self.doors.blobs.put(bytes).await.map_err(|fault| refusal::server(&fault))?;
        let push = Push {
            repository: &key,
            digest,
            manifest: &parsed,
            manifest_size,
            tag,
            is_cached: false,
            sha512: None,
            telling: self.telling(call.now),
        };
        self.commit(|tx| push.commit(tx)).await?;
        let image_id =
            ImageIdentifier { image_digest: Some(digest.to_string()), image_tag: input.image_tag };
        let image = rendered(&key, image_id, input.image_manifest, parsed.media_type);
        Ok(PutImageResponse { image: Some(image) })
    }
}

fn rendered(
    key: &RepositoryKey,
    id: ImageIdentifier,
    manifest: String,
    media_type: String,
) -> Image {
    Image {
        registry_id: Some(key.registry.account.to_string()),
        repository_name: Some(key.name.clone()),
        image_id: Some(id),
        image_manifest: Some(manifest),
        image_manifest_media_type: Some(media_type),
    }
}

/// AWS docs: *Amazon ECR API Reference > BatchGetImage*.
impl Flow<BatchGetImage> for Ecr {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: BatchGetImageRequest,
    ) -> Answer<BatchGetImage> {
        let key = key_of(&call, input.registry_id.as_ref(), &input.repository_name);
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in &input.image_ids {
            if let Err(error) = self.ensure_image(&call, &key, id).await {
                if error.name() == "AccessDeniedException" {
                    return Err(error);
                }
                failures.push(ImageFailure {
                    image_id: Some(id.clone()),
                    failure_code: Some(ImageFailureCode::UpstreamUnavailable),
                    failure_reason: Some(error.message().to_owned()),
                });
            }
        }
        let snapshot = self.doors.ledger.snapshot();
        find_repository(&snapshot, &key)?;
        for id in input.image_ids {
            match find_image(&snapshot, &key, &id).and_then(|row| pullable(row, &id)) {
                Ok(row) => {
                    let read = self.doors.blobs.bytes(&row.key.digest).await;
                    let bytes = read.map_err(|fault| refusal::server(&fault))?;
                    let manifest = String::from_utf8_lossy(&bytes).into_owned();
                    self.pulls.record(&row, &call.principal);
                    let id = render::identifier(&row, id.image_tag);
                    images.push(rendered(&key, id, manifest, row.media_type.clone()));
                }
                Err(failure) => failures.push(failure),
            }
        }
        Ok(BatchGetImageResponse { images: Some(images), failures: Some(failures) })
    }
}

/// Archived images cannot be pulled.
fn pullable(row: Arc<ImageRow>, id: &ImageIdentifier) -> Result<Arc<ImageRow>, ImageFailure> {
    if !row.is_archived {
        return Ok(row);
    }
    Err(ImageFailure {
        image_id: Some(id.clone()),
        failure_code: Some(ImageFailureCode::ImageInaccessible),
        failure_reason: Some("Requested image is archived".to_owned()),
    })
}

/// AWS docs: *Amazon ECR API Reference > BatchDeleteImage*.
impl Command<BatchDeleteImage> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: BatchDeleteImageRequest,
    ) -> Answer<BatchDeleteImage> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(tx, &key)?;
        let (mut image_ids, mut failures) = (Vec::new(), Vec::new());
        for id in input.image_ids {
            match images::delete(tx, &key, &id, &self.telling(call.now)) {
                Ok(deleted) => image_ids.extend(deleted),
                // A tag of an image that another id of the request took along.
                Err(_) if image_ids.iter().any(|gone| names_same(gone, &id)) => {}
                Err(failure) => failures.push(failure),
            }
        }
        Ok(BatchDeleteImageResponse { image_ids: Some(image_ids), failures: Some(failures) })
    }
}

fn names_same(gone: &ImageIdentifier, id: &ImageIdentifier) -> bool {
    let agrees = |one: &Option<String>, other: &Option<String>| other.is_none() || one == other;
    agrees(&gone.image_digest, &id.image_digest) && agrees(&gone.image_tag, &id.image_tag)
}

/// Which images a listing shows.
struct Shown {
    tag_status: TagStatus,
    image_status: ImageStatusFilter,
}

impl Shown {
    /// Archived images are shown where the caller asks for them.
    fn of(tag_status: Option<TagStatus>, image_status: Option<ImageStatusFilter>) -> Self {
        Self {
            tag_status: tag_status.unwrap_or(TagStatus::Any),
            image_status: image_status.unwrap_or(ImageStatusFilter::Active),
        }
    }

    fn shows(&self, row: &ImageRow, is_tagged: bool) -> bool {
        let tags_fit = match self.tag_status {
            TagStatus::Any => true,
            TagStatus::Tagged => is_tagged,
            TagStatus::Untagged => !is_tagged,
        };
        let status = render::image_status(row);
        let status_fits = match self.image_status {
            ImageStatusFilter::Any => true,
            ImageStatusFilter::Active => status == ImageStatus::Active,
            ImageStatusFilter::Archived => status == ImageStatus::Archived,
            ImageStatusFilter::Activating => false,
        };
        tags_fit && status_fits
    }
}

/// AWS docs: *Amazon ECR API Reference > DescribeImages*.
impl Query<DescribeImages> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeImagesRequest,
    ) -> Answer<DescribeImages> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        if let Some(ids) = input.image_ids {
            // AWS docs: both "cannot be used when you specify images with imageIds"
            for (name, is_given) in [
                ("maxResults", input.max_results.is_some()),
                ("nextToken", input.next_token.is_some()),
            ] {
                if is_given {
                    return Err(refusal::constraint(name, "must not be given with imageIds"));
                }
            }
            let mut found = ids
                .iter()
                .map(|id| expect_image(snapshot, &key, id))
                .collect::<Result<Vec<_>, AwsError>>()?;
            found.sort_by_key(|row| row.key.digest);
            found.dedup_by_key(|row| row.key.digest);
            let details = found.iter().map(|row| render::image(snapshot, row)).collect();
            return Ok(DescribeImagesResponse { image_details: Some(details), next_token: None });
        }
        let filter = input.filter.unwrap_or_default();
        let shown = Shown::of(filter.tag_status, filter.image_status);
        let rows =
            key.images(snapshot).filter(|row| shown.shows(row, !row.tags(snapshot).is_empty()));
        let scope = format!("ecr.images/{}", key.arn());
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let (page, next_token) = ask.cut(rows, PAGE_COUNT, |row| row.key.digest.hex())?;
        let details = page.iter().map(|row| render::image(snapshot, row)).collect();
        Ok(DescribeImagesResponse { image_details: Some(details), next_token })
    }
}

/// AWS docs: *Amazon ECR API Reference > ListImages*.
impl Query<ListImages> for Ecr {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListImagesRequest,
    ) -> Answer<ListImages> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(snapshot, &key)?;
        let filter = input.filter.unwrap_or_default();
        let shown = Shown::of(filter.tag_status, filter.image_status);
        let ids = key.images(snapshot).flat_map(|row| {
            let tags = row.tags(snapshot);
            let visible = shown.shows(&row, !tags.is_empty());
            let mut tags: Vec<Option<String>> = tags.into_iter().map(Some).collect();
            if tags.is_empty() {
                tags.push(None);
            }
            tags.retain(|_| visible);
            tags.into_iter().map(move |tag| render::identifier(&row, tag))
        });
        let scope = format!("ecr.list/{}", key.arn());
        let ask = PageAsk { scope, token: input.next_token, max: input.max_results };
        let (page, next_token) = ask.cut(ids, PAGE_COUNT, |id| {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            format!("{}/{}", text(&id.image_digest), text(&id.image_tag))
        })?;
        Ok(ListImagesResponse { image_ids: Some(page), next_token })
    }
}
