//! Taking in code: where it comes from, what it weighs, that it unpacks.

use std::path::PathBuf;

use base64::Engine as _;
use bytes::Bytes;
use haar_kernel::{Auth, Call};
use haar_lambda_contract::model::{CreateFunction, PublishLayerVersion, UpdateFunctionCode};
use haar_s3_contract::model::{GetObject, GetObjectRequest};
use haar_wire::AwsError;
use sha2::{Digest as _, Sha256};

use super::Input;
use crate::code::{CodeError, UnpackedCode};
use crate::rules::settings::ZIP_BYTES_MAX;
use crate::state::Code;
use crate::{Lambda, Refusal};

/// Where a function's or layer's code comes from.
#[derive(Debug)]
pub(super) enum CodeSource {
    /// An archive within the request.
    Archive(Bytes),
    /// A folder of the host's, shown to the function as it is.
    Folder(PathBuf),
    /// An image of a registry, by its name.
    Image(String),
    /// An archive in a bucket.
    Object {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
        /// Which of its versions; the newest where none is named.
        version: Option<String>,
    },
}

/// The bucket whose keys are folders of this machine, in permissive mode. *Ours*.
const FOLDER_BUCKET: &str = "hot-reload";

/// Most bytes of an archive in a bucket: it may not unpack to more.
const OBJECT_BYTES_MAX: usize = 262_144_000;

/// Where a request says that its code is.
#[derive(Default)]
struct Given {
    archive: Option<Bytes>,
    bucket: Option<String>,
    object: Option<String>,
    version: Option<String>,
    image: Option<String>,
}

impl CodeSource {
    /// Of a new function. Takes the bytes out of the input.
    ///
    /// # Errors
    /// When there is no source, or one that cannot be reached.
    pub(super) fn of_create(
        room: &Lambda,
        input: &mut Input<CreateFunction>,
    ) -> Result<Self, Refusal> {
        let code = &mut input.code;
        let given = Given {
            archive: code.zip_file.take(),
            bucket: code.s3_bucket.take(),
            object: code.s3_key.take(),
            version: code.s3_object_version.take(),
            image: code.image_uri.take(),
        };
        let is_image = input.package_type.is_some_and(|kind| kind.as_str() == "Image");
        match (is_image, given.image.is_some()) {
            (true, false) => Err(Refusal::invalid(
                "Please provide ImageUri when creating a function with packageType Image.",
            )),
            (false, true) => Err(Refusal::invalid(
                "Please don't provide ImageUri when creating a function with packageType Zip.",
            )),
            _ => Self::of_function(room, given, "CreateFunction"),
        }
    }

    /// Of a function's new code.
    ///
    /// # Errors
    /// When there is no source, or one that cannot be reached.
    pub(super) fn of_update(
        room: &Lambda,
        input: &mut Input<UpdateFunctionCode>,
        package_type: &str,
    ) -> Result<Self, Refusal> {
        match (package_type, input.image_uri.is_some()) {
            ("Image", false) => {
                return Err(Refusal::invalid(
                    "Please provide ImageUri when updating a function with packageType Image.",
                ));
            }
            ("Zip", true) => {
                return Err(Refusal::invalid(
                    "Please don't provide ImageUri when updating a function with packageType Zip.",
                ));
            }
            _ => {}
        }
        let given = Given {
            archive: input.zip_file.take(),
            bucket: input.s3_bucket.take(),
            object: input.s3_key.take(),
            version: input.s3_object_version.take(),
            image: input.image_uri.take(),
        };
        Self::of_function(room, given, "UpdateFunctionCode")
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
            version: content.s3_object_version.take(),
            image: None,
        };
        Self::of(given, "PublishLayerVersion")
    }

    /// A folder in permissive mode, where anybody may read the machine's files by a function
    /// anyway; else as for layers.
    fn of_function(room: &Lambda, given: Given, operation: &str) -> Result<Self, Refusal> {
        let in_folders = given.bucket.as_deref() == Some(FOLDER_BUCKET);
        match &given.object {
            Some(folder) if in_folders && room.doors.settings.auth == Auth::Permissive => {
                check_folder(folder).map(Self::Folder)
            }
            _ => Self::of(given, operation),
        }
    }

    fn of(given: Given, operation: &str) -> Result<Self, Refusal> {
        let has_object = given.bucket.is_some() || given.object.is_some();
        match given {
            Given { archive: Some(_), image: Some(_), .. } => Err(both()),
            Given { archive: Some(_), .. } if has_object => Err(both()),
            Given { archive: Some(archive), .. } => Self::of_archive(archive, operation),
            Given { image: Some(_), .. } if has_object => Err(both()),
            Given { image: Some(image), .. } => Ok(Self::Image(image)),
            Given { bucket: Some(bucket), object: Some(key), version, .. } => {
                Ok(Self::Object { bucket, key, version })
            }
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
        Ok(Self::Archive(archive))
    }
}

fn both() -> Refusal {
    Refusal::invalid(
        "Please do not provide other FunctionCode parameters when providing a ZipFile.",
    )
}

/// A folder that functions can read.
#[allow(clippy::disallowed_methods)] // looks at the operator's own folder
fn check_folder(folder: &str) -> Result<PathBuf, Refusal> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = PathBuf::from(folder);
    let problem = match std::fs::metadata(&path) {
        _ if !path.is_absolute() => "is no absolute path",
        Ok(found) if !found.is_dir() => "is no folder",
        Ok(found) if found.permissions().mode() & 0o005 != 0o005 => {
            "cannot be read by functions, which run as another user (chmod o+rx)"
        }
        Ok(_) => return Ok(path),
        Err(_) => "is not there",
    };
    Err(Refusal::invalid(format!("The folder {folder} {problem}.")))
}

impl Lambda {
    /// Takes code in; `fits` is asked of an archive's bytes before it is unpacked.
    ///
    /// # Errors
    /// When it does not fit or does not unpack, or the disk does not take it.
    pub(super) async fn take_code(
        &self,
        call: &Call,
        source: CodeSource,
        fits: impl FnOnce(u64) -> Result<(), Refusal>,
    ) -> Result<Code, AwsError> {
        match source {
            CodeSource::Archive(archive) => {
                fits(archive.len() as u64)?;
                self.take_archive(archive).await
            }
            CodeSource::Image(uri) => self.take_image(call, uri).await,
            CodeSource::Object { bucket, key, version } => {
                let archive = self.read_object(call, bucket, key, version).await?;
                fits(archive.len() as u64)?;
                self.take_archive(archive).await
            }
            CodeSource::Folder(folder) => {
                let name = Sha256::digest(folder.as_os_str().as_encoded_bytes());
                let sha256 = base64::engine::general_purpose::STANDARD.encode(name);
                let digest = self.keep_archive(Bytes::new()).await?;
                let folder = Some(folder);
                Ok(Code { sha256, size: 0, unzipped_size: 0, digest, folder, image: None })
            }
        }
    }

    /// Reads an archive out of a bucket, as the caller may.
    ///
    /// # Errors
    /// S3's, in Lambda's words.
    async fn read_object(
        &self,
        call: &Call,
        bucket: String,
        key: String,
        version_id: Option<String>,
    ) -> Result<Bytes, AwsError> {
        let input = GetObjectRequest { bucket, key, version_id, ..GetObjectRequest::default() };
        let principal = call.principal.via("lambda.amazonaws.com");
        let read = self.doors.call::<GetObject>(principal, &call.region, input).await;
        let refused = |error: AwsError| {
            AwsError::from(Refusal::invalid(format!(
                "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                error.code(),
                error.message(),
            )))
        };
        let archive = haar_s3_contract::whole(read.map_err(refused)?, OBJECT_BYTES_MAX).await;
        let archive = archive.map_err(|error| match error.code() {
            "EntityTooLarge" => Refusal::invalid(format!(
                "Unzipped size must be smaller than {OBJECT_BYTES_MAX} bytes"
            ))
            .into(),
            _ => error,
        })?;
        match archive.is_empty() {
            true => Err(Refusal::invalid("Uploaded file must be a non-empty zip").into()),
            false => Ok(archive),
        }
    }

    /// Keeps an archive and unpacks it, off the threads that serve.
    ///
    /// # Errors
    /// When it does not unpack, or the disk does not take it.
    async fn take_archive(&self, archive: Bytes) -> Result<Code, AwsError> {
        let store = self.code.clone();
        let whole = archive.clone();
        let unpacking = tokio::task::spawn_blocking(move || store.unpack(&whole));
        let unpacked = unpacking.await.map_err(|error| {
            tracing::error!(%error, "unpacking panicked");
            AwsError::internal_failure("unpacking panicked")
        })?;
        let UnpackedCode { sha256, code_size, unzipped_size, .. } = unpacked.map_err(refuse)?;
        let digest = self.keep_archive(archive).await?;
        Ok(Code { sha256, size: code_size, unzipped_size, digest, folder: None, image: None })
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
