//! Whether tags of a bucket count in policies.
//!
//! AWS docs: *Amazon S3 User Guide > Using tags with S3 general purpose buckets*.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::{
    AbacStatus, BucketAbacStatus, GetBucketAbac, GetBucketAbacOutput, GetBucketAbacRequest,
    PutBucketAbac, PutBucketAbacRequest,
};
use haar_wire::AwsError;

use crate::S3;
use crate::lookup::{edit, find_bucket};
use crate::refusal;
use crate::state::BucketRow;

impl Query<GetBucketAbac> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketAbacRequest,
    ) -> Answer<GetBucketAbac> {
        let status = match find_bucket(snap, &input.bucket)?.tags_count {
            true => BucketAbacStatus::Enabled,
            false => BucketAbacStatus::Disabled,
        };
        Ok(GetBucketAbacOutput { abac_status: Some(AbacStatus { status: Some(status) }) })
    }
}

impl Command<PutBucketAbac> for S3 {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: PutBucketAbacRequest,
    ) -> Answer<PutBucketAbac> {
        let status = input.abac_status.status.ok_or_else(refusal::malformed_xml)?;
        edit(tx, &input.bucket, |row| {
            row.tags_count = status == BucketAbacStatus::Enabled;
            Ok(())
        })?;
        Ok(Default::default())
    }
}

/// Where tags count, who may tag decides who may do what: those are actions of another service.
/// *Ours*: the words; AWS says only that these operations cannot be used any more.
pub(super) fn refuse_counting_tags(row: &BucketRow) -> Result<(), AwsError> {
    match row.tags_count {
        true => Err(refusal::invalid_request(
            "Attribute-based access control (ABAC) is enabled for this bucket. Use the TagResource \
             and UntagResource operations to manage its tags.",
        )),
        false => Ok(()),
    }
}
