//! Items on their way to buckets and out of them, as S3's room has it.

mod export;
mod import;
mod lines;

use std::sync::Arc;

use bytes::Bytes;
use haar_kernel::{Principal, UsageRecord};
use haar_s3_contract::{PutObject, PutObjectRequest};
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::state::{Failure, TransferKey};

/// DynamoDB, as it calls others in its callers' names.
pub(crate) const SELF: &str = "dynamodb.amazonaws.com";

/// Where objects go or come from, and on whose behalf.
pub(crate) struct Place<'a> {
    pub(crate) principal: Arc<Principal>,
    pub(crate) region: &'a Region,
    pub(crate) bucket: &'a str,
    pub(crate) owner: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// In the name of the account whose table it is. *Ours*: an export's caller was asked for
    /// permission when it began.
    pub(crate) fn of(
        (account, region): (&AccountId, &'a Region),
        bucket: &'a str,
        owner: Option<&'a str>,
    ) -> Self {
        let principal = Arc::new(Principal::root(account.clone()));
        Self { principal, region, bucket, owner }
    }
}

impl Dynamodb {
    /// Meters bytes that went to a bucket or came out of one.
    pub(crate) fn meter_transfer(
        &self,
        (account, region, table, _): &TransferKey,
        (kind, bytes): (&'static str, i64),
        at: Timestamp,
    ) {
        let kib = u64::try_from(bytes).unwrap_or(0).div_ceil(1024);
        if kib > 0 {
            self.doors.meter.record(UsageRecord {
                account: account.clone(),
                region: region.clone(),
                at,
                service: "dynamodb",
                resource: table.clone(),
                quantities: vec![(kind, kib)],
            });
        }
    }

    /// Writes one object; answers its entity tag.
    pub(crate) async fn put_object(
        &self,
        place: &Place<'_>,
        key: String,
        body: impl Into<Bytes>,
    ) -> Result<String, AwsError> {
        let input = PutObjectRequest {
            bucket: place.bucket.to_owned(),
            key,
            body: body.into().into(),
            expected_bucket_owner: place.owner.map(str::to_owned),
            ..PutObjectRequest::default()
        };
        let principal = Arc::clone(&place.principal);
        let written = self.doors.call::<PutObject>(principal, place.region, input).await?;
        Ok(written.e_tag.unwrap_or_default().trim_matches('"').to_owned())
    }
}

/// What a transfer fails with for what S3 says; nothing where S3 may say otherwise later.
pub(crate) fn lasting(error: &AwsError) -> Option<Failure> {
    let code = match error.code() {
        "NoSuchBucket" => "S3NoSuchBucket",
        "NoSuchKey" => "S3NoSuchKey",
        "AccessDenied" => "S3AccessDenied",
        _ => return None,
    };
    Some((code.to_owned(), error.message().to_owned()))
}
