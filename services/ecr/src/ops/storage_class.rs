//! Images into the archive and back.

use haar_ecr_contract::model::{
    TargetStorageClass, UpdateImageStorageClass, UpdateImageStorageClassRequest,
    UpdateImageStorageClassResponse,
};
use haar_kernel::{Answer, Call, Command};
use haar_ledger::Tx;

use crate::Ecr;
use crate::lookup::{expect_image, find_repository, key_of};
use crate::refusal;
use crate::render;
use crate::state::ImageRow;

/// AWS docs: *Amazon ECR API Reference > UpdateImageStorageClass*. AWS takes minutes to bring an
/// image back; here it is there at once.
impl Command<UpdateImageStorageClass> for Ecr {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateImageStorageClassRequest,
    ) -> Answer<UpdateImageStorageClass> {
        let key = key_of(call, input.registry_id.as_ref(), &input.repository_name);
        find_repository(tx, &key)?;
        let mut row = (*expect_image(tx, &key, &input.image_id)?).clone();
        let archive = input.target_storage_class == TargetStorageClass::Archive;
        if archive && !row.parents(tx).is_empty() {
            let text = "An image that a manifest list refers to cannot be archived.";
            return Err(refusal::error("ImageStorageClassUpdateNotSupportedException", text));
        }
        if archive != row.is_archived {
            row = moved(&row, archive, call);
            tx.put(row.clone());
        }
        Ok(UpdateImageStorageClassResponse {
            registry_id: Some(key.registry.account.to_string()),
            repository_name: Some(key.name),
            image_id: Some(input.image_id),
            image_status: Some(render::image_status(&row)),
        })
    }
}

fn moved(row: &ImageRow, into_archive: bool, call: &Call) -> ImageRow {
    let mut row = row.clone();
    row.is_archived = into_archive;
    match into_archive {
        true => row.archived_at = Some(call.now),
        false => row.activated_at = Some(call.now),
    }
    row
}
