//! Functions' images: found when a function is made, brought here by its controller, held for as
//! long as a version refers to them.

use std::collections::BTreeSet;

use haar_kernel::Call;
use haar_ledger::Snapshot;
use haar_substrate::ImageId;
use haar_wire::AwsError;

use crate::doors::{ImageFailure, ImageRequest};
use crate::state::{Code, CodeImage, Reason, VersionRow};
use crate::{Lambda, Refusal};

/// Most that an image holds. AWS docs: *Lambda Developer Guide > Lambda quotas*.
const IMAGE_BYTES_MAX: u64 = 10 << 30;
const TOO_LARGE: &str = "SizeLimitExceeded: Uncompressed container image size exceeds 10 GiB limit";

/// Names this room among those that hold images.
const HOLDER: &str = "lambda";

impl Lambda {
    /// Finds what an image's name stands for now. From here on its digest counts.
    ///
    /// # Errors
    /// In AWS's words.
    pub(crate) async fn take_image(&self, call: &Call, uri: String) -> Result<Code, AwsError> {
        let request = ImageRequest {
            account: call.account.clone(),
            region: call.region.clone(),
            uri,
            digest: None,
        };
        let digest = self.fleet.images().resolve(&request).await;
        let digest = digest.map_err(|failure| refuse(&request.uri, failure))?;
        Ok(Code {
            sha256: digest.hex(),
            size: 0,
            unzipped_size: 0,
            digest,
            folder: None,
            image: Some(CodeImage { uri: request.uri }),
        })
    }

    /// Makes a version's image be here, unpacked; at once where it is.
    pub(crate) async fn bring_image(&self, row: &VersionRow) -> Result<(), ImageFailure> {
        let Some(request) = image_request(row, &row.code) else { return Ok(()) };
        let id = ImageId(row.code.digest.to_string());
        let Some(store) = self.doors.substrate.images() else {
            return self.fleet.images().pull(&request).await;
        };
        if store.find(&id).await.is_err() {
            self.fleet.images().pull(&request).await?;
        }
        match store.find(&id).await {
            Ok(image) if image.unpacked_bytes > IMAGE_BYTES_MAX => Err(ImageFailure::TooLarge),
            _ => Ok(()),
        }
    }

    /// Tells the store which images versions refer to; those of no version may go.
    pub(crate) fn hold_images(&self, snapshot: &Snapshot) {
        let mut wanted = BTreeSet::new();
        for row in snapshot.all::<VersionRow>() {
            let codes = [Some(&row.code), row.replaced.as_ref().map(|before| &before.code)];
            let images = codes.into_iter().flatten().filter(|code| code.image.is_some());
            wanted.extend(images.map(|code| ImageId(code.digest.to_string())));
        }
        self.hold(wanted);
    }

    /// Tells the store that all images may go: there will be no versions.
    pub(crate) fn let_images_go(&self) {
        self.hold(BTreeSet::new());
    }

    fn hold(&self, wanted: BTreeSet<ImageId>) {
        let Some(store) = self.doors.substrate.images() else { return };
        let mut held = self.held_images.lock();
        if *held != wanted {
            store.hold(HOLDER, wanted.clone());
            *held = wanted;
        }
    }

    /// True while some version refers to an image.
    pub(crate) fn holds_images(&self) -> bool {
        !self.held_images.lock().is_empty()
    }
}

/// What is to be pulled for a version's code; `None` for archives.
pub(crate) fn image_request(row: &VersionRow, code: &Code) -> Option<ImageRequest> {
    let image = code.image.as_ref()?;
    Some(ImageRequest {
        account: row.function.account.clone(),
        region: row.function.region.clone(),
        uri: image.uri.clone(),
        digest: Some(code.digest),
    })
}

/// Why a function could not be made or changed, for its state.
pub(crate) fn reason(uri: &str, failure: &ImageFailure) -> Reason {
    let (code, text) = match failure {
        ImageFailure::Missing => {
            ("ImageDeleted", format!("The container image {uri} was deleted from Amazon ECR."))
        }
        ImageFailure::Denied => ("ImageAccessDenied", DENIED.to_owned()),
        ImageFailure::NotValid => ("InvalidImage", not_valid(uri)),
        ImageFailure::Unsupported => ("InvalidImage", unsupported(uri)),
        ImageFailure::TooLarge => ("InvalidImage", TOO_LARGE.to_owned()),
        ImageFailure::Broken(why) => {
            ("InvalidImage", format!("The container image {uri} is not valid: {why}"))
        }
        ImageFailure::Unavailable(why) => ("InternalError", why.clone()),
    };
    Reason { code: code.to_owned(), text }
}

const DENIED: &str =
    "Lambda does not have permission to access the ECR image. Check the ECR permissions.";

fn not_valid(uri: &str) -> String {
    format!("Source image {uri} is not valid. Provide a valid source image.")
}

fn unsupported(uri: &str) -> String {
    format!(
        "The image manifest, config or layer media type for the source image {uri} is not \
         supported."
    )
}

fn refuse(uri: &str, failure: ImageFailure) -> AwsError {
    match failure {
        ImageFailure::NotValid => Refusal::invalid(not_valid(uri)).into(),
        ImageFailure::Missing => Refusal::invalid(format!(
            "Source image {uri} does not exist. Provide a valid source image."
        ))
        .into(),
        ImageFailure::Denied => Refusal::AccessDenied(DENIED.to_owned()).into(),
        ImageFailure::Unsupported => Refusal::invalid(unsupported(uri)).into(),
        failure @ (ImageFailure::TooLarge | ImageFailure::Broken(_)) => {
            Refusal::invalid(reason(uri, &failure).text).into()
        }
        ImageFailure::Unavailable(why) => {
            tracing::error!(%uri, %why, "an image was not looked up");
            AwsError::internal_failure("the image could not be looked up")
        }
    }
}
