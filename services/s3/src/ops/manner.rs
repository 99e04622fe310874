//! What a writer says of an object beside its bytes.

use haar_kernel::Call;
use haar_s3_contract::model::{
    ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetentionMode, ServerSideEncryption,
    StorageClass,
};
use haar_types::{AccountId, Timestamp};
use haar_wire::AwsError;

use crate::customer::Seal;
use crate::lookup::canonical_id;
use crate::refusal;
use crate::rules::acl::{Acl, GrantHeaders};
use crate::rules::head::invalid_class;
use crate::rules::transition::is_of_buckets;
use crate::rules::{encryption, tags};
use crate::state::BucketRow;
use crate::store::{Encryption, Headers, Manner, Retention};

/// Longest key, in bytes.
const KEY_LEN_MAX: usize = 1024;
/// Most bytes of names and values of metadata.
const METADATA_BYTES_MAX: usize = 2048;

/// What requests of several shapes say alike.
#[derive(Default)]
pub(crate) struct Said<'a> {
    pub(crate) headers: Headers,
    pub(crate) grants: GrantHeaders<'a>,
    pub(crate) tagging: Option<&'a str>,
    pub(crate) lock_mode: Option<ObjectLockMode>,
    pub(crate) lock_until: Option<Timestamp>,
    pub(crate) legal_hold: Option<ObjectLockLegalHoldStatus>,
    pub(crate) algorithm: Option<ServerSideEncryption>,
    pub(crate) key_id: Option<String>,
    pub(crate) bucket_key: Option<bool>,
    /// In base64.
    pub(crate) context: Option<String>,
    /// Of the key that the customer brings.
    pub(crate) seal: Option<Seal>,
}

/// Collects what a request says, whichever shape it has.
macro_rules! said {
    ($input:expr) => {{
        let input = &$input;
        $crate::ops::manner::Said {
            headers: $crate::store::Headers {
                content_type: input.content_type.clone(),
                cache_control: input.cache_control.clone(),
                content_disposition: input.content_disposition.clone(),
                content_encoding: input.content_encoding.clone(),
                content_language: input.content_language.clone(),
                expires: input.expires.clone(),
                website_redirect_location: input.website_redirect_location.clone(),
                storage_class: input.storage_class,
                metadata: input.metadata.clone().unwrap_or_default(),
            },
            grants: $crate::rules::acl::GrantHeaders {
                canned: input.acl.map(|acl| acl.as_str()),
                full_control: input.grant_full_control.as_deref(),
                read: input.grant_read.as_deref(),
                read_acp: input.grant_read_acp.as_deref(),
                write: None,
                write_acp: input.grant_write_acp.as_deref(),
            },
            tagging: input.tagging.as_deref(),
            lock_mode: input.object_lock_mode,
            lock_until: input.object_lock_retain_until_date,
            legal_hold: input.object_lock_legal_hold_status,
            algorithm: input.server_side_encryption,
            key_id: input.ssekms_key_id.clone(),
            bucket_key: input.bucket_key_enabled,
            context: input.ssekms_encryption_context.clone(),
            seal: None,
        }
    }};
}
pub(crate) use said;

impl Said<'_> {
    /// How the object will be kept, by what the writer says and what the bucket does with what
    /// nobody says.
    pub(crate) fn manner(self, call: &Call, bucket: &BucketRow) -> Result<Manner, AwsError> {
        let enforced = bucket.is_owner_enforced();
        let gives_all = self.grants.canned == Some("bucket-owner-full-control");
        let prefers = bucket.ownership
            == Some(haar_s3_contract::model::ObjectOwnership::BucketOwnerPreferred);
        let owner = match enforced || (prefers && gives_all) {
            true => bucket.account.clone(),
            false => call.account.clone(),
        };
        let bytes: usize =
            self.headers.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > METADATA_BYTES_MAX {
            let text = "Your metadata headers exceed the maximum allowed metadata size";
            return Err(AwsError::new("MetadataTooLarge", 400, text)
                .element("Size", bytes.to_string())
                .element("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
        }
        refuse_class(self.headers.storage_class)?;
        refuse_place(self.headers.website_redirect_location.as_deref())?;
        let acl = object_acl(bucket, &owner, self.grants)?;
        Ok(Manner {
            acl,
            tags: self.tagging.map(tags::of_header).transpose()?.unwrap_or_default(),
            retention: self.retention(call, bucket)?,
            legal_hold: self.legal_hold(bucket)?,
            encryption: self.encryption(bucket)?,
            headers: self.headers,
            owner,
        })
    }

    fn retention(&self, call: &Call, bucket: &BucketRow) -> Result<Option<Retention>, AwsError> {
        match (self.lock_mode, self.lock_until) {
            (None, None) => Ok(default_retention(bucket, call.now)),
            (Some(mode), Some(until)) => {
                refuse_without_lock(bucket)?;
                if until <= call.now {
                    let text = "The retain until date must be in the future!";
                    let date = until.iso();
                    let name = "x-amz-object-lock-retain-until-date";
                    return Err(refusal::invalid_argument(text, name, &date));
                }
                Ok(Some(Retention { mode, until }))
            }
            _ => {
                let text = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must \
                            both be supplied";
                Err(AwsError::new("InvalidArgument", 400, text))
            }
        }
    }

    fn legal_hold(&self, bucket: &BucketRow) -> Result<bool, AwsError> {
        if self.legal_hold.is_some() {
            refuse_without_lock(bucket)?;
        }
        Ok(self.legal_hold == Some(ObjectLockLegalHoldStatus::On))
    }

    fn encryption(&self, bucket: &BucketRow) -> Result<Encryption, AwsError> {
        if let Some(seal) = &self.seal {
            return Ok(Encryption { customer: Some(seal.clone()), ..Encryption::default() });
        }
        if self.key_id.is_some()
            && matches!(self.algorithm, None | Some(ServerSideEncryption::Aes256))
        {
            let text = "The encryption method specified is not supported";
            let name = "x-amz-server-side-encryption";
            return Err(refusal::invalid_argument(text, name, "null"));
        }
        let usual = usual_encryption(bucket);
        let encryption = match self.algorithm {
            None => Encryption { bucket_key: self.bucket_key.or(usual.bucket_key), ..usual },
            Some(algorithm) => Encryption {
                algorithm,
                key_id: match algorithm {
                    ServerSideEncryption::Aes256 => None,
                    _ => Some(self.key_id.clone().unwrap_or_else(|| own_key(bucket))),
                },
                bucket_key: self.bucket_key,
                ..Encryption::default()
            },
        };
        encryption::check_context(self.context.as_deref(), encryption.algorithm)?;
        Ok(Encryption { context: self.context.clone(), ..encryption })
    }
}

/// A website sends its visitors to other sites or to its own pages.
fn refuse_place(place: Option<&str>) -> Result<(), AwsError> {
    let is_place = |to: &str| ["http://", "https://", "/"].iter().any(|head| to.starts_with(head));
    match place.is_none_or(is_place) {
        true => Ok(()),
        false => {
            let text = "The website redirect location must have a prefix of 'http://' or \
                        'https://' or '/'.";
            Err(AwsError::new("InvalidRedirectLocation", 400, text))
        }
    }
}

/// Some classes are of other kinds of buckets.
fn refuse_class(class: Option<StorageClass>) -> Result<(), AwsError> {
    match class {
        Some(class) if !is_of_buckets(class) => Err(invalid_class(class.as_str())),
        _ => Ok(()),
    }
}

/// The account's key for S3, which nobody made: named by account and region.
fn own_key(bucket: &BucketRow) -> String {
    format!("arn:aws:kms:{}:{}:alias/aws/s3", bucket.region, bucket.account)
}

/// How a bucket encrypts what nobody says anything of.
pub(crate) fn usual_encryption(bucket: &BucketRow) -> Encryption {
    let rule = bucket.encryption.as_ref().and_then(|config| config.rules.first());
    let usual = rule.and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
    let algorithm = usual.map_or(ServerSideEncryption::Aes256, |usual| usual.sse_algorithm);
    Encryption {
        algorithm,
        key_id: match algorithm {
            ServerSideEncryption::Aes256 => None,
            _ => Some(
                usual
                    .and_then(|usual| usual.kms_master_key_id.clone())
                    .unwrap_or_else(|| own_key(bucket)),
            ),
        },
        bucket_key: rule.and_then(|rule| rule.bucket_key_enabled),
        ..Encryption::default()
    }
}

/// Until when a bucket locks what is put into it now.
pub(crate) fn default_retention(bucket: &BucketRow, now: Timestamp) -> Option<Retention> {
    let rule = bucket.lock.as_ref()?.rule.as_ref()?.default_retention.as_ref()?;
    let days = rule.days.unwrap_or(0) + rule.years.unwrap_or(0).saturating_mul(365);
    let day = std::time::Duration::from_secs(24 * 3600);
    let mode = match rule.mode? {
        ObjectLockRetentionMode::Governance => ObjectLockMode::Governance,
        ObjectLockRetentionMode::Compliance => ObjectLockMode::Compliance,
    };
    let until = now + day * u32::try_from(days).ok()?;
    Some(Retention { mode, until })
}

/// Locks are for buckets that have them.
pub(super) fn refuse_without_lock(bucket: &BucketRow) -> Result<(), AwsError> {
    match bucket.lock {
        Some(_) => Ok(()),
        None => Err(refusal::invalid_request("Bucket is missing Object Lock Configuration")),
    }
}

/// The list that headers ask for, where the bucket takes lists.
pub(super) fn object_acl(
    bucket: &BucketRow,
    owner: &AccountId,
    grants: GrantHeaders<'_>,
) -> Result<Option<Acl>, AwsError> {
    if !grants.are_there() {
        return Ok(None);
    }
    let (owner, bucket_owner) = (canonical_id(owner), canonical_id(&bucket.account));
    if bucket.is_owner_enforced() {
        return match grants.only_bucket_owner(&bucket_owner) {
            true => Ok(None),
            false => Err(refusal::acl_not_supported()),
        };
    }
    let acl = grants.acl(&owner, &bucket_owner)?;
    refuse_public(bucket, acl.as_ref())?;
    Ok(acl)
}

/// Public lists may be blocked.
pub(super) fn refuse_public(bucket: &BucketRow, acl: Option<&Acl>) -> Result<(), AwsError> {
    let block = bucket.public_access_block.as_ref();
    let blocked = block.and_then(|block| block.block_public_acls) == Some(true);
    match blocked && acl.is_some_and(Acl::is_public) {
        true => Err(refusal::access_denied()),
        false => Ok(()),
    }
}

/// Refuses a key that is too long.
pub(crate) fn check_key(key: &str) -> Result<(), AwsError> {
    match key.len() > KEY_LEN_MAX {
        true => Err(AwsError::new("KeyTooLongError", 400, "Your key is too long")
            .element("Size", key.len().to_string())
            .element("MaxSizeAllowed", KEY_LEN_MAX.to_string())),
        false => Ok(()),
    }
}
