//! Access control lists of buckets and objects.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query};
use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::{
    AccessControlPolicy, GetBucketAcl, GetBucketAclOutput, GetBucketAclRequest, GetObjectAcl,
    GetObjectAclOutput, GetObjectAclRequest, PutBucketAcl, PutBucketAclRequest, PutObjectAcl,
    PutObjectAclRequest,
};
use haar_types::AccountId;
use haar_wire::AwsError;

use super::manner::refuse_public;
use crate::S3;
use crate::lookup::{canonical_id, edit, find_bucket};
use crate::metering::Class;
use crate::notices::Happening;
use crate::refusal;
use crate::rules::acl::{Acl, GrantHeaders, canned_of_bucket, owner, shown};
use crate::state::BucketRow;

impl Query<GetBucketAcl> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketAclRequest,
    ) -> Answer<GetBucketAcl> {
        let bucket = find_bucket(snap, &input.bucket)?;
        let id = canonical_id(&bucket.account);
        Ok(GetBucketAclOutput {
            grants: Some(shown(bucket.acl.as_ref(), &id)),
            owner: Some(owner(id)),
        })
    }
}

impl Command<PutBucketAcl> for S3 {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: PutBucketAclRequest,
    ) -> Answer<PutBucketAcl> {
        let grants = GrantHeaders {
            canned: canned_of_bucket(input.acl.as_deref())?,
            full_control: input.grant_full_control.as_deref(),
            read: input.grant_read.as_deref(),
            read_acp: input.grant_read_acp.as_deref(),
            write: input.grant_write.as_deref(),
            write_acp: input.grant_write_acp.as_deref(),
        };
        let body = input.access_control_policy.as_ref();
        edit(tx, &input.bucket, |row| {
            let owner = row.account.clone();
            row.acl = asked(row, &owner, grants, body)?;
            Ok(())
        })?;
        Ok(Default::default())
    }
}

impl Flow<GetObjectAcl> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: GetObjectAclRequest) -> Answer<GetObjectAcl> {
        let bucket = self.bucket(&input.bucket)?;
        let version_id = input.version_id.as_deref();
        let record = self.settled_object(&bucket, &input.key, version_id, "GET").await?;
        self.meter(&call, &bucket, Class::Read);
        // What lists said before counts for nothing where they have no say.
        let (whose, acl) = match bucket.is_owner_enforced() {
            true => (&bucket.account, None),
            false => (&record.manner.owner, record.manner.acl.as_ref()),
        };
        let id = canonical_id(whose);
        Ok(GetObjectAclOutput {
            grants: Some(shown(acl, &id)),
            owner: Some(owner(id)),
            request_charged: None,
        })
    }
}

impl Flow<PutObjectAcl> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: PutObjectAclRequest) -> Answer<PutObjectAcl> {
        let bucket = self.bucket(&input.bucket)?;
        let grants = GrantHeaders {
            canned: input.acl.map(|acl| acl.as_str()),
            full_control: input.grant_full_control.as_deref(),
            read: input.grant_read.as_deref(),
            read_acp: input.grant_read_acp.as_deref(),
            write: input.grant_write.as_deref(),
            write_acp: input.grant_write_acp.as_deref(),
        };
        let body = input.access_control_policy.as_ref();
        let which = (&*input.key, input.version_id.as_deref());
        self.rewrite(&call, &bucket, which, Some(Happening::AclPut), |row, manner| {
            manner.acl = asked(row, &manner.owner, grants, body)?;
            Ok(())
        })
        .await?;
        Ok(Default::default())
    }
}

/// The list that a request asks for, by headers or by its body.
fn asked(
    bucket: &BucketRow,
    whose: &AccountId,
    grants: GrantHeaders<'_>,
    body: Option<&AccessControlPolicy>,
) -> Result<Option<Acl>, AwsError> {
    let (own, bucket_owner) = (canonical_id(whose), canonical_id(&bucket.account));
    let acl = match (grants.are_there(), body) {
        (true, Some(_)) => {
            let text = "This request does not support content";
            return Err(AwsError::new("UnexpectedContent", 400, text));
        }
        (false, None) => {
            let text = "Your request was missing a required header";
            return Err(AwsError::new("MissingSecurityHeader", 400, text)
                .element("MissingHeaderName", "x-amz-acl"));
        }
        (true, None) if bucket.is_owner_enforced() && grants.only_bucket_owner(&bucket_owner) => {
            None
        }
        (true, None) => grants.acl(&own, &bucket_owner)?,
        (false, Some(policy)) => Some(Acl::of_policy(policy, &own)?),
    };
    if bucket.is_owner_enforced() && (acl.is_some() || grants.canned == Some("private")) {
        return Err(refusal::acl_not_supported());
    }
    refuse_public(bucket, acl.as_ref())?;
    Ok(acl)
}
