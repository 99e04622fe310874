//! Whether a bucket keeps versions.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::{
    BucketVersioningStatus, GetBucketVersioning, GetBucketVersioningOutput,
    GetBucketVersioningRequest, MFADelete, PutBucketVersioning, PutBucketVersioningRequest,
};
use haar_wire::AwsError;

use crate::S3;
use crate::lookup::{edit, find_bucket};
use crate::refusal;

impl Query<GetBucketVersioning> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketVersioningRequest,
    ) -> Answer<GetBucketVersioning> {
        let bucket = find_bucket(snap, &input.bucket)?;
        let mfa_delete = bucket.mfa_delete.and_then(|state| state.as_str().parse().ok());
        Ok(GetBucketVersioningOutput { status: bucket.versioning, mfa_delete })
    }
}

impl Command<PutBucketVersioning> for S3 {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: PutBucketVersioningRequest,
    ) -> Answer<PutBucketVersioning> {
        let config = input.versioning_configuration;
        let status = config.status.ok_or_else(|| {
            AwsError::new(
                "IllegalVersioningConfigurationException",
                400,
                "The Versioning element must be specified",
            )
        })?;
        edit(tx, &input.bucket, |row| {
            if config.mfa_delete == Some(MFADelete::Enabled) {
                let text = "A header you provided implies functionality that is not implemented";
                return Err(
                    AwsError::new("NotImplemented", 501, text).element("Header", "x-amz-mfa")
                );
            }
            if row.lock.is_some() && status == BucketVersioningStatus::Suspended {
                let text = "An Object Lock configuration is present on this bucket, so the \
                            versioning state cannot be changed.";
                return Err(AwsError::new("InvalidBucketState", 409, text));
            }
            if row.replication.is_some() && status == BucketVersioningStatus::Suspended {
                let text = "A replication configuration is present on this bucket, so the \
                            versioning state cannot be changed.";
                return Err(AwsError::new("InvalidBucketState", 409, text));
            }
            row.versioning = Some(status);
            row.mfa_delete = config.mfa_delete;
            Ok(())
        })?;
        Ok(Default::default())
    }
}

/// What asks for versions is refused where none are kept.
pub(super) fn refuse_without_versions(is_kept: bool, what: &str) -> Result<(), AwsError> {
    match is_kept {
        true => Ok(()),
        false => {
            let text = format!("Versioning must be 'Enabled' on the bucket to apply a {what}");
            Err(refusal::invalid_request(text))
        }
    }
}
