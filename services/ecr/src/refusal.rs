//! The room's errors, in AWS's words.

use haar_blobs::{BlobError, Digest};
use haar_ecr_contract::model::{ImageIdentifier, InvalidLayerPartException};
use haar_wire::AwsError;

use crate::rules::digests::SaidDigest;
use crate::state::{RegistryKey, RepositoryKey};

/// A parameter that makes no sense.
pub(crate) fn invalid(text: impl Into<String>) -> AwsError {
    error("InvalidParameterException", text)
}

/// A parameter that breaks a constraint, by its name.
pub(crate) fn constraint(name: &str, constraint: &str) -> AwsError {
    invalid(format!("Invalid parameter at '{name}' failed to satisfy constraint: '{constraint}'"))
}

/// What the newer operations say instead.
pub(crate) fn validation(text: impl Into<String>) -> AwsError {
    error("ValidationException", text)
}

/// A token that was not minted for this listing.
pub(crate) fn bad_token() -> AwsError {
    constraint("nextToken", "Must be a token that an earlier call returned")
}

/// No such repository.
pub(crate) fn no_repository(key: &RepositoryKey) -> AwsError {
    error(
        "RepositoryNotFoundException",
        format!("The repository {} does not exist in {}", named(key), registry(key)),
    )
}

/// A repository of this name exists.
pub(crate) fn repository_exists(key: &RepositoryKey) -> AwsError {
    let text = format!("The repository {} already exists in {}", named(key), registry(key));
    error("RepositoryAlreadyExistsException", text)
}

/// The repository has images.
pub(crate) fn not_empty(key: &RepositoryKey) -> AwsError {
    let text = format!(
        "The repository {} in registry with id '{}' cannot be deleted because it still contains \
         images",
        named(key),
        key.registry.account,
    );
    error("RepositoryNotEmptyException", text)
}

/// A repository has nothing of a kind, such as `Lifecycle policy`.
pub(crate) fn nothing_set(name: &'static str, noun: &str, key: &RepositoryKey) -> AwsError {
    let text =
        format!("{noun} does not exist for the repository {} in {}", named(key), registry(key));
    error(name, text)
}

/// No policy is set for the registry.
pub(crate) fn no_registry_policy(key: &RegistryKey) -> AwsError {
    let text = format!("Registry policy does not exist in the registry with id '{}'", key.account);
    error("RegistryPolicyNotFoundException", text)
}

/// No such image.
pub(crate) fn no_image(key: &RepositoryKey, id: &ImageIdentifier) -> AwsError {
    let text = format!(
        "The image with imageId {} does not exist within the repository {} in {}",
        shown(id),
        named(key),
        registry(key),
    );
    error("ImageNotFoundException", text)
}

/// The image is in the archive.
pub(crate) fn archived(key: &RepositoryKey, id: &ImageIdentifier) -> AwsError {
    let text = format!(
        "The image with imageId {} in the repository {} in {} is archived",
        shown(id),
        named(key),
        registry(key),
    );
    error("ImageArchivedException", text)
}

/// The very same image was pushed before.
pub(crate) fn image_exists(key: &RepositoryKey, digest: &Digest, tag: Option<&str>) -> AwsError {
    let tag = tag.map_or_else(String::new, |tag| format!(" and tag '{tag}'"));
    let text = format!(
        "Image with digest '{digest}'{tag} already exists in the repository {} in registry with \
         id '{}'",
        named(key),
        key.registry.account,
    );
    error("ImageAlreadyExistsException", text)
}

/// The tag stands and may not be moved.
pub(crate) fn immutable(key: &RepositoryKey, tag: &str) -> AwsError {
    let text = format!(
        "The image tag '{tag}' already exists in the '{}' repository and cannot be overwritten \
         because the tag is immutable.",
        key.name
    );
    error("ImageTagAlreadyExistsException", text)
}

/// A manifest needs what the repository does not have; `noun` is `Layers` or `Images`.
pub(crate) fn missing(noun: &str, key: &RepositoryKey, digests: &[SaidDigest]) -> AwsError {
    let listed: Vec<String> = digests.iter().map(SaidDigest::to_string).collect();
    let text = format!(
        "{noun} with digests '[{}]' required for pushing image into repository {} in {} do not \
         exist",
        listed.join(", "),
        named(key),
        registry(key),
    );
    match noun {
        "Layers" => error("LayersNotFoundException", text),
        _ => error("ReferencedImagesNotFoundException", text),
    }
}

/// A layer that the repository does not have.
pub(crate) fn no_layer(key: &RepositoryKey, digest: &str) -> AwsError {
    let text = format!(
        "The layer with digest '{digest}' does not exist in the repository {} in {}",
        named(key),
        registry(key),
    );
    error("LayersNotFoundException", text)
}

/// No such upload.
pub(crate) fn no_upload(key: &RepositoryKey, id: &str) -> AwsError {
    let text = format!(
        "The upload with id '{id}' does not exist in the repository {} in {}",
        named(key),
        registry(key),
    );
    error("UploadNotFoundException", text)
}

/// A part that does not begin where the last one ended.
pub(crate) fn bad_part(key: &RepositoryKey, upload: &str, received: u64) -> AwsError {
    InvalidLayerPartException {
        registry_id: Some(key.registry.account.to_string()),
        repository_name: Some(key.name.clone()),
        upload_id: Some(upload.to_owned()),
        last_valid_byte_received: Some(i64::try_from(received).unwrap_or(i64::MAX) - 1),
        message: Some(
            "The layer part size is not valid, or the first byte specified is not consecutive to \
             the last byte of a previous layer part upload."
                .to_owned(),
        ),
    }
    .into()
}

/// Any of the model's errors.
pub(crate) fn error(name: &'static str, text: impl Into<String>) -> AwsError {
    AwsError::new(name, 400, text)
}

/// What went wrong with bytes, when it is not the caller's fault.
pub(crate) fn server(fault: &BlobError) -> AwsError {
    tracing::error!(error = %fault, "a layer or manifest was not kept or read");
    AwsError::new("ServerException", 500, "These errors are usually caused by a server-side issue.")
}

fn named(key: &RepositoryKey) -> String {
    format!("with name '{}'", key.name)
}

fn registry(key: &RepositoryKey) -> String {
    format!("the registry with id '{}'", key.registry.account)
}

/// An image as AWS's messages name it.
pub(crate) fn shown(id: &ImageIdentifier) -> String {
    let quoted = |text: &Option<String>| text.as_deref().unwrap_or("null").to_owned();
    format!("{{imageDigest:'{}', imageTag:'{}'}}", quoted(&id.image_digest), quoted(&id.image_tag))
}
