//! Configurations of buckets that are kept and shown, and looked at elsewhere.

use std::time::Duration;

use haar_iam_contract::peek::IamPeek;
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::*;
use haar_types::Tags;
use haar_wire::AwsError;

use super::abac::refuse_counting_tags;
use super::lock::check_lock;
use super::versioning::refuse_without_versions;
use crate::S3;
use crate::lookup::{edit, find_bucket, keeps_versions};
use crate::refusal;
use crate::rules::{cors, encryption, given_id, lifecycle, replication, tags, website};
use crate::state::BucketRow;

/// An operation that shows a part of a bucket's row.
macro_rules! show {
    ($operation:ident, $input:ident, |$row:ident| $answer:expr) => {
        impl Query<$operation> for S3 {
            fn query(&self, _call: &Call, snap: &Snapshot, input: $input) -> Answer<$operation> {
                let $row = find_bucket(snap, &input.bucket)?;
                $answer
            }
        }
    };
}

/// An operation that writes a part of a bucket's row.
macro_rules! write {
    ($operation:ident, $input:ident, |$row:ident, $in:ident| $work:expr) => {
        impl Command<$operation> for S3 {
            fn command(&self, _call: &Call, tx: &mut Tx, $in: $input) -> Answer<$operation> {
                let name = $in.bucket.clone();
                edit(tx, &name, |$row: &mut BucketRow| {
                    $work;
                    Ok(())
                })?;
                Ok(Default::default())
            }
        }
    };
}

fn missing(code: &'static str, text: &str, row: &BucketRow) -> AwsError {
    refusal::no_configuration(code, text, &row.name)
}

// Tags.
show!(GetBucketTagging, GetBucketTaggingRequest, |row| match row.tags.is_empty() {
    true => Err(missing("NoSuchTagSet", "The TagSet does not exist", &row)),
    false => Ok(GetBucketTaggingOutput { tag_set: tags::shown(&row.tags) }),
});
write!(PutBucketTagging, PutBucketTaggingRequest, |row, input| {
    refuse_counting_tags(row)?;
    row.tags = tags::of_list(input.tagging.tag_set, tags::On::Bucket)?;
});
write!(DeleteBucketTagging, DeleteBucketTaggingRequest, |row, input| {
    refuse_counting_tags(row)?;
    row.tags = Tags::new();
});

// Cross-origin requests.
show!(GetBucketCors, GetBucketCorsRequest, |row| match &row.cors {
    Some(config) => Ok(GetBucketCorsOutput { cors_rules: Some(config.cors_rules.clone()) }),
    None => {
        let text = "The CORS configuration does not exist";
        Err(missing("NoSuchCORSConfiguration", text, &row))
    }
});
write!(PutBucketCors, PutBucketCorsRequest, |row, input| {
    cors::check(&input.cors_configuration)?;
    row.cors = Some(input.cors_configuration);
});
write!(DeleteBucketCors, DeleteBucketCorsRequest, |row, input| row.cors = None);

// Lifecycle.
show!(GetBucketLifecycleConfiguration, GetBucketLifecycleConfigurationRequest, |row| match &row
    .lifecycle
{
    Some(config) => Ok(GetBucketLifecycleConfigurationOutput {
        rules: Some(config.rules.clone()),
        transition_default_minimum_object_size: minimum_size(&row),
    }),
    None => {
        let text = "The lifecycle configuration does not exist";
        Err(missing("NoSuchLifecycleConfiguration", text, &row))
    }
});
impl Command<PutBucketLifecycleConfiguration> for S3 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutBucketLifecycleConfigurationRequest,
    ) -> Answer<PutBucketLifecycleConfiguration> {
        let mut config = input.lifecycle_configuration.ok_or_else(refusal::malformed_xml)?;
        lifecycle::check(&mut config, || given_id::of(&call.ids.uuid()))?;
        let size = input.transition_default_minimum_object_size.unwrap_or_default();
        let size = match input.transition_default_minimum_object_size {
            Some(_) => size,
            None => TransitionDefaultMinimumObjectSize::AllStorageClasses128k,
        };
        edit(tx, &input.bucket, |row| {
            row.lifecycle = Some(config);
            row.lifecycle_minimum_size = Some(size.as_str().to_owned());
            // another than before, also where a sweep by those rules began this millisecond
            row.lifecycle_at = call.now.max(row.lifecycle_at + Duration::from_millis(1));
            row.swept_at = None;
            Ok(())
        })?;
        let transition_default_minimum_object_size = Some(size);
        Ok(PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size })
    }
}
write!(DeleteBucketLifecycle, DeleteBucketLifecycleRequest, |row, input| row.lifecycle = None);

fn minimum_size(row: &BucketRow) -> Option<TransitionDefaultMinimumObjectSize> {
    row.lifecycle_minimum_size.as_deref().and_then(|text| text.parse().ok())
}

// Encryption: what nobody configured is S3's own.
show!(GetBucketEncryption, GetBucketEncryptionRequest, |row| {
    let config = row.encryption.clone().unwrap_or_else(encryption::usual);
    Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(config) })
});
write!(PutBucketEncryption, PutBucketEncryptionRequest, |row, input| {
    let config = input.server_side_encryption_configuration;
    encryption::check(&config)?;
    row.encryption = Some(encryption::merged(config, row.encryption.as_ref()));
});
write!(DeleteBucketEncryption, DeleteBucketEncryptionRequest, |row, input| row.encryption = None);

// Website.
show!(GetBucketWebsite, GetBucketWebsiteRequest, |row| match row.website.clone() {
    Some(config) => Ok(GetBucketWebsiteOutput {
        redirect_all_requests_to: config.redirect_all_requests_to,
        index_document: config.index_document,
        error_document: config.error_document,
        routing_rules: config.routing_rules,
    }),
    None => {
        let text = "The specified bucket does not have a website configuration";
        Err(missing("NoSuchWebsiteConfiguration", text, &row))
    }
});
write!(PutBucketWebsite, PutBucketWebsiteRequest, |row, input| {
    website::check(&input.website_configuration)?;
    row.website = Some(input.website_configuration);
});
write!(DeleteBucketWebsite, DeleteBucketWebsiteRequest, |row, input| row.website = None);

// The block of public access.
show!(GetPublicAccessBlock, GetPublicAccessBlockRequest, |row| match &row.public_access_block {
    Some(config) => {
        let public_access_block_configuration = Some(config.clone());
        Ok(GetPublicAccessBlockOutput { public_access_block_configuration })
    }
    None => {
        let text = "The public access block configuration was not found";
        Err(missing("NoSuchPublicAccessBlockConfiguration", text, &row))
    }
});
write!(PutPublicAccessBlock, PutPublicAccessBlockRequest, |row, input| {
    let config = input.public_access_block_configuration;
    let filled = |flag: Option<bool>| Some(flag.unwrap_or(false));
    row.public_access_block = Some(PublicAccessBlockConfiguration {
        block_public_acls: filled(config.block_public_acls),
        ignore_public_acls: filled(config.ignore_public_acls),
        block_public_policy: filled(config.block_public_policy),
        restrict_public_buckets: filled(config.restrict_public_buckets),
    });
});
write!(DeletePublicAccessBlock, DeletePublicAccessBlockRequest, |row, input| {
    row.public_access_block = None;
});

// Whose objects are.
show!(GetBucketOwnershipControls, GetBucketOwnershipControlsRequest, |row| match row.ownership {
    Some(object_ownership) => {
        let rules = vec![OwnershipControlsRule { object_ownership }];
        let ownership_controls = Some(OwnershipControls { rules });
        Ok(GetBucketOwnershipControlsOutput { ownership_controls })
    }
    None => {
        let text = "The bucket ownership controls were not found";
        Err(missing("OwnershipControlsNotFoundError", text, &row))
    }
});
write!(PutBucketOwnershipControls, PutBucketOwnershipControlsRequest, |row, input| {
    let [rule] = &input.ownership_controls.rules[..] else {
        return Err(refusal::malformed_xml());
    };
    if rule.object_ownership == ObjectOwnership::BucketOwnerEnforced && row.acl.is_some() {
        let text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        return Err(AwsError::new("InvalidBucketAclWithObjectOwnership", 400, text));
    }
    row.ownership = Some(rule.object_ownership);
});
write!(DeleteBucketOwnershipControls, DeleteBucketOwnershipControlsRequest, |row, input| {
    row.ownership = None;
});

// Object lock.
show!(GetObjectLockConfiguration, GetObjectLockConfigurationRequest, |row| match &row.lock {
    Some(config) => {
        let object_lock_configuration = Some(config.clone());
        Ok(GetObjectLockConfigurationOutput { object_lock_configuration })
    }
    None => {
        let text = "Object Lock configuration does not exist for this bucket";
        Err(missing("ObjectLockConfigurationNotFoundError", text, &row))
    }
});
write!(PutObjectLockConfiguration, PutObjectLockConfigurationRequest, |row, input| {
    let config = input.object_lock_configuration.ok_or_else(refusal::malformed_xml)?;
    check_lock(&config)?;
    if !keeps_versions(row) {
        let text =
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
        return Err(AwsError::new("InvalidBucketState", 409, text));
    }
    row.lock = Some(config);
});

// Kept and shown only.
show!(GetBucketReplication, GetBucketReplicationRequest, |row| match &row.replication {
    Some(config) => {
        let replication_configuration = Some(config.clone());
        Ok(GetBucketReplicationOutput { replication_configuration })
    }
    None => {
        let text = "The replication configuration was not found";
        Err(missing("ReplicationConfigurationNotFoundError", text, &row))
    }
});
impl Command<PutBucketReplication> for S3 {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: PutBucketReplicationRequest,
    ) -> Answer<PutBucketReplication> {
        let mut config = input.replication_configuration;
        let row = find_bucket(tx, &input.bucket)?;
        refuse_without_versions(keeps_versions(&row), "replication configuration")?;
        replication::check(&mut config, &row.name, || given_id::of(&call.ids.uuid()))?;
        for rule in &config.rules {
            let Ok(target) = find_bucket(tx, replication::destination(rule)) else {
                return Err(refusal::invalid_request("Destination bucket must exist."));
            };
            if !keeps_versions(&target) {
                let text = "Destination bucket must have versioning enabled.";
                return Err(refusal::invalid_request(text));
            }
        }
        if let Some(iam) = self.doors.peeks.get::<dyn IamPeek>() {
            let passed = iam.may_pass_role(tx, &call.principal, &config.role, "s3.amazonaws.com");
            passed.map_err(|text| AwsError::new("AccessDenied", 403, text))?;
        }
        edit(tx, &input.bucket, |row| {
            row.replication = Some(config);
            Ok(())
        })?;
        Ok(Default::default())
    }
}
write!(DeleteBucketReplication, DeleteBucketReplicationRequest, |row, input| {
    row.replication = None;
});
show!(GetBucketLogging, GetBucketLoggingRequest, |row| {
    Ok(GetBucketLoggingOutput { logging_enabled: row.logging.clone() })
});
impl Command<PutBucketLogging> for S3 {
    fn command(
        &self,
        _call: &Call,
        tx: &mut Tx,
        input: PutBucketLoggingRequest,
    ) -> Answer<PutBucketLogging> {
        let logging = input.bucket_logging_status.logging_enabled;
        if let Some(target) = &logging
            && find_bucket(tx, &target.target_bucket).is_err()
        {
            let text = "The target bucket for logging does not exist";
            return Err(AwsError::new("InvalidTargetBucketForLogging", 400, text)
                .element("TargetBucket", &target.target_bucket));
        }
        edit(tx, &input.bucket, |row| {
            row.logging = logging;
            Ok(())
        })?;
        Ok(Default::default())
    }
}
show!(GetBucketAccelerateConfiguration, GetBucketAccelerateConfigurationRequest, |row| {
    let status = row.accelerate.as_deref().and_then(|text| text.parse().ok());
    Ok(GetBucketAccelerateConfigurationOutput { status, request_charged: None })
});
write!(PutBucketAccelerateConfiguration, PutBucketAccelerateConfigurationRequest, |row, input| {
    if row.name.contains('.') {
        let text = "S3 Transfer Acceleration is not supported for buckets with periods (.) in \
                    their names";
        return Err(refusal::invalid_request(text));
    }
    let status = input.accelerate_configuration.status.ok_or_else(refusal::malformed_xml)?;
    row.accelerate = Some(status.as_str().to_owned());
});
show!(GetBucketRequestPayment, GetBucketRequestPaymentRequest, |row| {
    Ok(GetBucketRequestPaymentOutput { payer: Some(row.payer) })
});
write!(PutBucketRequestPayment, PutBucketRequestPaymentRequest, |row, input| {
    row.payer = input.request_payment_configuration.payer;
});
