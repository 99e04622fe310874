//! Taking in code: where it comes from, what it weighs, that it unpacks.

use bytes::Bytes;
use haar_lambda_contract::model::{CreateFunction, PublishLayerVersion, UpdateFunctionCode};
use haar_wire::AwsError;

use super::Input;
use crate::code::{CodeError, UnpackedCode};
use crate::rules::settings::ZIP_BYTES_MAX;
use crate::state::Code;
use crate::{Lambda, Refusal};

/// An archive within a request.
#[derive(Debug)]
pub(super) struct CodeSource {
    archive: Bytes,
}

/// Where a request says that its code is.
#[derive(Default)]
struct Given {
    archive: Option<Bytes>,
    bucket: Option<String>,
    object: Option<String>,
    image: Option<String>,
}

impl CodeSource {
    /// Of a new function. Takes the bytes out of the input.
    ///
    /// # Errors
    /// When there is no source, or one that cannot be reached.
    pub(super) fn of_create(input: &mut Input<CreateFunction>) -> Result<Self, Refusal> {
        let code = &mut input.code;
        let given = Given {
            archive: code.zip_file.take(),
            bucket: code.s3_bucket.take(),
            object: code.s3_key.take(),
            image: code.image_uri.take(),
        };
        let is_image = input.package_type.is_some_and(|kind| kind.as_str() == "Image");
        match (is_image, given.image.is_some()) {
            (true, false) => Err(Refusal::invalid(
                "Please provide ImageUri when creating a function with packageType Image",
            )),
            (false, true) => Err(Refusal::invalid(
                "Please don't provide ImageUri when creating a function with packageType Zip",
            )),
            _ => Self::of(given, "CreateFunction"),
        }
    }

    /// Of a function's new code.
    ///
    /// # Errors
    /// When there is no source, or one that cannot be reached.
    pub(super) fn of_update(input: &mut Input<UpdateFunctionCode>) -> Result<Self, Refusal> {
        let given = Given {
            archive: input.zip_file.take(),
            bucket: input.s3_bucket.take(),
            object: input.s3_key.take(),
            image: input.image_uri.take(),
        };
        Self::of(given, "UpdateFunctionCode")
    }

    /// Of a layer version.
    ///
    /// # Errors
    /// When there is no source, or one that cannot be reached.
    pub(super) fn of_layer(input: &mut Input<PublishLayerVersion>) -> Result<Self, Refusal> {
        let content = &mut input.content;
        let given = Given {
            archive: content.zip_file.take(),
            bucket: content.s3_bucket.take(),
            object: content.s3_key.take(),
            image: None,
        };
        Self::of(given, "PublishLayerVersion")
    }

    fn of(given: Given, operation: &str) -> Result<Self, Refusal> {
        let has_object = given.bucket.is_some() || given.object.is_some();
        match given {
            Given { archive: Some(_), image: Some(_), .. } => Err(both()),
            Given { archive: Some(_), .. } if has_object => Err(both()),
            Given { archive: Some(archive), .. } => Self::of_archive(archive, operation),
            Given { image: Some(image), .. } => Err(Refusal::invalid(format!(
                "Source image {image} does not exist. Provide a valid source image."
            ))),
            Given { bucket: Some(_), object: Some(_), .. } => Err(Refusal::invalid(
                "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: \
                 The specified bucket does not exist",
            )),
            _ => Err(Refusal::invalid("Please provide a source for function code.")),
        }
    }

    fn of_archive(archive: Bytes, operation: &str) -> Result<Self, Refusal> {
        if archive.is_empty() {
            return Err(Refusal::invalid("Uploaded file must be a non-empty zip"));
        }
        if archive.len() > ZIP_BYTES_MAX {
            return Err(Refusal::RequestTooLarge(format!(
                "Request must be smaller than 70167211 bytes for the {operation} operation"
            )));
        }
        Ok(Self { archive })
    }
}

fn both() -> Refusal {
    Refusal::invalid(
        "Please do not provide other FunctionCode parameters when providing a ZipFile.",
    )
}

impl Lambda {
    /// Keeps an archive and unpacks it, off the threads that serve.
    ///
    /// # Errors
    /// When it does not unpack, or the disk does not take it.
    pub(super) async fn take_code(&self, source: CodeSource) -> Result<Code, AwsError> {
        let store = self.code.clone();
        let archive = source.archive.clone();
        let unpacking = tokio::task::spawn_blocking(move || store.unpack(&archive));
        let unpacked = unpacking.await.map_err(|error| {
            tracing::error!(%error, "unpacking panicked");
            AwsError::internal_failure("unpacking panicked")
        })?;
        let UnpackedCode { sha256, code_size, unzipped_size, .. } = unpacked.map_err(refuse)?;
        let digest = self.keep_archive(source.archive).await?;
        Ok(Code { sha256, size: code_size, unzipped_size, digest })
    }
}

fn refuse(error: CodeError) -> AwsError {
    match error {
        CodeError::Disk(error) => {
            tracing::error!(%error, "code was not written");
            AwsError::internal_failure("code was not written")
        }
        error => Refusal::invalid(error.to_string()).into(),
    }
}
