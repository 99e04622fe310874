//! Encryption at rest: said, and kept to by the disk below.

use haar_s3_contract::model::{
    BlockedEncryptionTypes, EncryptionType, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use haar_wire::AwsError;

use crate::refusal;
use crate::state::BucketRow;

/// What a bucket has that nobody configured: S3's own keys.
pub(crate) fn usual() -> ServerSideEncryptionConfiguration {
    let by_default = ServerSideEncryptionByDefault {
        sse_algorithm: ServerSideEncryption::Aes256,
        kms_master_key_id: None,
    };
    ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(false),
            blocked_encryption_types: None,
        }],
    }
}

/// A configuration in the place of another: what it says nothing of stays as usual, and a block
/// stays until it is lifted.
pub(crate) fn merged(
    mut new: ServerSideEncryptionConfiguration,
    old: Option<&ServerSideEncryptionConfiguration>,
) -> ServerSideEncryptionConfiguration {
    let block = old.and_then(|old| old.rules.first()?.blocked_encryption_types.clone());
    if let (Some(rule), Some(usual)) = (new.rules.first_mut(), usual().rules.pop()) {
        let by_default = &mut rule.apply_server_side_encryption_by_default;
        *by_default = by_default.take().or(usual.apply_server_side_encryption_by_default);
        rule.blocked_encryption_types = rule.blocked_encryption_types.take().or(block);
    }
    new
}

/// Whether a bucket takes no keys of customers. *Ours*: one that says nothing takes them; AWS lets
/// buckets made since April 2026 block them from the start.
pub(crate) fn blocks_customer_keys(bucket: &BucketRow) -> bool {
    let rule = bucket.encryption.as_ref().and_then(|config| config.rules.first());
    let blocked = rule.and_then(|rule| rule.blocked_encryption_types.as_ref());
    let has = |blocked: &BlockedEncryptionTypes| {
        blocked.encryption_type.iter().flatten().any(|kind| *kind == EncryptionType::SseC)
    };
    blocked.is_some_and(has)
}

/// Refuses a configuration that AWS refuses.
pub(crate) fn check(config: &ServerSideEncryptionConfiguration) -> Result<(), AwsError> {
    let [rule] = &config.rules[..] else { return Err(refusal::malformed_xml()) };
    match &rule.apply_server_side_encryption_by_default {
        Some(usual)
            if usual.sse_algorithm == ServerSideEncryption::Aes256
                && usual.kms_master_key_id.is_some() =>
        {
            let text = "a KMSMasterKeyID is not applicable if the default sse algorithm is not \
                        aws:kms or aws:kms:dsse";
            Err(AwsError::new("InvalidArgument", 400, text))
        }
        _ => Ok(()),
    }
}
