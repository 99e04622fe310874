//! Bucket policies.

use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_policy::{Document, Grammar, listed};
use haar_s3_contract::model::{
    DeleteBucketPolicy, DeleteBucketPolicyRequest, GetBucketPolicy, GetBucketPolicyOutput,
    GetBucketPolicyRequest, GetBucketPolicyStatus, GetBucketPolicyStatusOutput,
    GetBucketPolicyStatusRequest, PolicyStatus, PutBucketPolicy, PutBucketPolicyRequest,
};
use haar_wire::AwsError;
use serde_json::Value;

use crate::S3;
use crate::lookup::{edit, find_bucket};
use crate::refusal;
use crate::rules::bucket_policy;
use crate::rules::public::is_public;
use crate::state::BucketRow;

/// Most bytes of a policy.
const POLICY_BYTES_MAX: usize = 20 * 1024;

impl Command<PutBucketPolicy> for S3 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutBucketPolicyRequest,
    ) -> Answer<PutBucketPolicy> {
        edit(tx, &input.bucket, |row| {
            check(&input.policy, row)?;
            let block = row.public_access_block.as_ref();
            let blocked = block.and_then(|block| block.block_public_policy) == Some(true);
            if blocked && is_public(&input.policy) {
                let text = format!(
                    "User: {} is not authorized to perform: s3:PutBucketPolicy on resource: \
                     \"{}\" because public policies are prevented by the BlockPublicPolicy \
                     setting in S3 Block Public Access.",
                    call.principal.arn(),
                    row.arn(),
                );
                return Err(AwsError::new("AccessDenied", 403, text));
            }
            row.policy = Some(input.policy);
            Ok(())
        })?;
        Ok(Default::default())
    }
}

/// Refuses a policy that cannot be read, or that speaks of another bucket.
fn check(text: &str, row: &BucketRow) -> Result<(), AwsError> {
    let malformed = |text: &str| AwsError::new("MalformedPolicy", 400, text);
    if text.len() > POLICY_BYTES_MAX {
        let text = "Your policy exceeds the maximum allowed document size.";
        return Err(malformed(text));
    }
    let json: Value = serde_json::from_str(text)
        .map_err(|_| malformed("Policies must be valid JSON and the first byte must be '{'"))?;
    if !json.is_object() {
        return Err(malformed("Policies must be valid JSON and the first byte must be '{'"));
    }
    Document::parse(text, Grammar::Resource)
        .map_err(|error| malformed(bucket_policy::words(&error.to_string())))?;
    let own = row.arn();
    let is_own = |resource: &str| {
        let bucket = resource.split('/').next().unwrap_or_default();
        bucket == own || bucket.contains(['*', '?']) && bucket.starts_with("arn:aws:s3:::")
    };
    for statement in listed(&json["Statement"]) {
        for member in ["Resource", "NotResource"] {
            if listed(&statement[member]).iter().any(|one| !one.as_str().is_some_and(is_own)) {
                return Err(malformed("Policy has invalid resource"));
            }
        }
        bucket_policy::check(statement).map_err(malformed)?;
    }
    Ok(())
}

impl Query<GetBucketPolicy> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketPolicyRequest,
    ) -> Answer<GetBucketPolicy> {
        let bucket = find_bucket(snap, &input.bucket)?;
        let policy = bucket.policy.clone().ok_or_else(|| none(&bucket))?;
        Ok(GetBucketPolicyOutput { policy: Some(policy) })
    }
}

impl Query<GetBucketPolicyStatus> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketPolicyStatusRequest,
    ) -> Answer<GetBucketPolicyStatus> {
        let bucket = find_bucket(snap, &input.bucket)?;
        let policy = bucket.policy.as_deref().ok_or_else(|| none(&bucket))?;
        let is_public = Some(is_public(policy));
        Ok(GetBucketPolicyStatusOutput { policy_status: Some(PolicyStatus { is_public }) })
    }
}

fn none(bucket: &BucketRow) -> AwsError {
    let text = "The bucket policy does not exist";
    refusal::no_configuration("NoSuchBucketPolicy", text, &bucket.name)
}

impl Command<DeleteBucketPolicy> for S3 {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: DeleteBucketPolicyRequest,
    ) -> Answer<DeleteBucketPolicy> {
        edit(tx, &input.bucket, |row| {
            row.policy = None;
            Ok(())
        })?;
        Ok(Default::default())
    }
}
