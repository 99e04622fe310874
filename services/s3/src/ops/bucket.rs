//! Buckets themselves.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Command, Flow, Query, page, unwritten};
use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::{
    Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucket,
    CreateBucketConfiguration, CreateBucketOutput, CreateBucketRequest, DeleteBucket,
    DeleteBucketRequest, GetBucketLocation, GetBucketLocationOutput, GetBucketLocationRequest,
    HeadBucket, HeadBucketOutput, HeadBucketRequest, ListBuckets, ListBucketsOutput,
    ListBucketsRequest, ObjectLockConfiguration, ObjectLockEnabled, ObjectOwnership,
};
use haar_types::Region;
use haar_wire::AwsError;

use crate::S3;
use crate::listing::read_token;
use crate::lookup::{canonical_id, find_bucket};
use crate::metering::Class;
use crate::refusal;
use crate::rules::acl::{self, GrantHeaders, owner};
use crate::rules::{bucket_name, tags};
use crate::state::BucketRow;
use crate::store::Sight;

/// Most buckets of one account. AWS docs: *Amazon S3 User Guide > Quotas*.
const BUCKET_COUNT_MAX: usize = 10_000;
/// Buckets of a page, and of one whose caller names no number.
const PAGE_MAX: usize = 10_000;

impl Command<CreateBucket> for S3 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: CreateBucketRequest,
    ) -> Answer<CreateBucket> {
        bucket_name::check(&input.bucket)?;
        let config = input.create_bucket_configuration.clone().unwrap_or_default();
        let region = region_of(call, &config)?;
        let created = CreateBucketOutput {
            location: Some(match region.as_str() {
                "us-east-1" => format!("/{}", input.bucket),
                _ => format!("http://{}.s3.amazonaws.com/", input.bucket),
            }),
            bucket_arn: Some(format!("arn:aws:s3:::{}", input.bucket)),
        };
        if let Some(there) = tx.get::<BucketRow>(&input.bucket) {
            return match there.account == call.account {
                // The oldest region still answers so.
                true if there.region == region && region.as_str() == "us-east-1" => Ok(created),
                true => Err(owned_by_you(&input.bucket)),
                false => Err(taken(&input.bucket)),
            };
        }
        if tx.all::<BucketRow>().filter(|row| row.account == call.account).count()
            >= BUCKET_COUNT_MAX
        {
            let text = "You have attempted to create more buckets than allowed";
            return Err(AwsError::new("TooManyBuckets", 400, text));
        }
        tx.put(new_row(call, &input, config, region)?);
        Ok(created)
    }
}

fn new_row(
    call: &Call,
    input: &CreateBucketRequest,
    config: CreateBucketConfiguration,
    region: Region,
) -> Result<BucketRow, AwsError> {
    let account = call.account.clone();
    let name = input.bucket.clone();
    let mut row = BucketRow::new(name, call.ids.draw(), account, region, call.now);
    row.tags = tags::of_list(config.tags.unwrap_or_default(), tags::On::Bucket)?;
    if let Some(ownership) = input.object_ownership {
        row.ownership = Some(ownership);
    }
    let own = canonical_id(&call.account);
    let canned = acl::canned_of_bucket(input.acl.as_deref())?;
    let asked = GrantHeaders {
        canned: canned.filter(|name| !acl::is_for_owners(name)),
        full_control: input.grant_full_control.as_deref(),
        read: input.grant_read.as_deref(),
        read_acp: input.grant_read_acp.as_deref(),
        write: input.grant_write.as_deref(),
        write_acp: input.grant_write_acp.as_deref(),
    };
    row.acl = asked.acl(&own, &own)?;
    if row.acl.is_some() && row.ownership == Some(ObjectOwnership::BucketOwnerEnforced) {
        let text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        return Err(AwsError::new("InvalidBucketAclWithObjectOwnership", 400, text));
    }
    if row.acl.as_ref().is_some_and(acl::Acl::is_public) {
        return Err(refusal::access_denied()); // new buckets block public lists
    }
    if input.object_lock_enabled_for_bucket == Some(true) {
        row.versioning = Some(BucketVersioningStatus::Enabled);
        let enabled = Some(ObjectLockEnabled::Enabled);
        row.lock = Some(ObjectLockConfiguration { object_lock_enabled: enabled, rule: None });
    }
    Ok(row)
}

/// Where a bucket is to be: where the request went, and what its body says must agree.
fn region_of(call: &Call, config: &CreateBucketConfiguration) -> Result<Region, AwsError> {
    let called = call.region.as_str();
    let said = config.location_constraint.as_deref().filter(|said| !said.is_empty());
    let said = said.map(|said| if said == "EU" { "eu-west-1" } else { said });
    match said {
        None if called == "us-east-1" => Ok(call.region.clone()),
        None => {
            let text = "The unspecified location constraint is incompatible for the region \
                        specific endpoint this request was sent to.";
            Err(AwsError::new("IllegalLocationConstraintException", 400, text))
        }
        Some(said) if said == "us-east-1" || said.parse::<BucketLocationConstraint>().is_err() => {
            let text = "The specified location-constraint is not valid";
            Err(AwsError::new("InvalidLocationConstraint", 400, text)
                .element("LocationConstraint", said))
        }
        Some(said) if said == called || called == "us-east-1" => {
            said.parse().map_err(|_| refusal::malformed_xml())
        }
        Some(said) => {
            let text = format!(
                "The {said} location constraint is incompatible for the region specific endpoint \
                 this request was sent to."
            );
            Err(AwsError::new("IllegalLocationConstraintException", 400, text))
        }
    }
}

fn owned_by_you(name: &str) -> AwsError {
    let text = "Your previous request to create the named bucket succeeded and you already own it.";
    AwsError::new("BucketAlreadyOwnedByYou", 409, text).element("BucketName", name)
}

fn taken(name: &str) -> AwsError {
    let text = "The requested bucket name is not available. The bucket namespace is shared by all \
                users of the system. Please select a different name and try again.";
    AwsError::new("BucketAlreadyExists", 409, text).element("BucketName", name)
}

impl Flow<DeleteBucket> for S3 {
    async fn flow(
        self: Arc<Self>,
        _call: Call,
        input: DeleteBucketRequest,
    ) -> Answer<DeleteBucket> {
        let bucket = self.bucket(&input.bucket)?;
        let emptied = self.store.while_empty(&bucket, || {
            self.doors.ledger.transact(|tx| {
                let row = find_bucket(tx, &input.bucket)?;
                if row.id != bucket.id {
                    return Err(refusal::no_such_bucket(&input.bucket));
                }
                tx.remove::<BucketRow>(&row.name);
                Ok(())
            })
        });
        let (committed, going) = self.store.seen(Sight::of_bucket(bucket.id), emptied).await?;
        let on_disk = committed.durable().await;
        drop(going);
        on_disk.map_err(unwritten)?;
        Ok(Default::default())
    }
}

impl Query<ListBuckets> for S3 {
    fn query(
        &self,
        call: &Call,
        snap: &Snapshot,
        input: ListBucketsRequest,
    ) -> Answer<ListBuckets> {
        let most = match input.max_buckets {
            None => PAGE_MAX,
            Some(count) => usize::try_from(count)
                .ok()
                .filter(|count| (1..=PAGE_MAX).contains(count))
                .ok_or_else(|| {
                    let text = "Argument max-buckets must be an integer between 1 and 10000";
                    refusal::invalid_argument(text, "max-buckets", &count.to_string())
                })?,
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let scope = format!("buckets/{}", call.account);
        let after = read_token(&scope, input.continuation_token.as_deref())?.unwrap_or_default();
        let all = snap.all::<BucketRow>().filter(|row| {
            row.account == call.account
                && row.name.starts_with(&prefix)
                && row.name > after
                && input.bucket_region.as_ref().is_none_or(|region| *region == row.region.as_str())
        });
        let page = page(all, most, &scope, |row| row.name.clone());
        let buckets = page.items.iter().map(|row| Bucket {
            name: Some(row.name.clone()),
            creation_date: Some(row.created_at),
            bucket_region: Some(row.region.to_string()),
            bucket_arn: Some(row.arn()),
        });
        Ok(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            owner: Some(owner(canonical_id(&call.account))),
            continuation_token: page.next,
            prefix: input.prefix,
        })
    }
}

impl Query<HeadBucket> for S3 {
    fn query(&self, call: &Call, snap: &Snapshot, input: HeadBucketRequest) -> Answer<HeadBucket> {
        let bucket = find_bucket(snap, &input.bucket)?;
        self.meter(call, &bucket, Class::Read);
        Ok(HeadBucketOutput {
            bucket_region: Some(bucket.region.to_string()),
            bucket_arn: Some(bucket.arn()),
            access_point_alias: Some(false),
            ..Default::default()
        })
    }
}

impl Query<GetBucketLocation> for S3 {
    fn query(
        &self,
        _call: &Call,
        snap: &Snapshot,
        input: GetBucketLocationRequest,
    ) -> Answer<GetBucketLocation> {
        let bucket = find_bucket(snap, &input.bucket)?;
        // The oldest region has no name here.
        let location_constraint = bucket.region.as_str().parse().ok();
        Ok(GetBucketLocationOutput { location_constraint })
    }
}
