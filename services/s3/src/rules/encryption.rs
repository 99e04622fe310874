//! Encryption at rest: said, and kept to by the disk below.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// The account of a key by its whole ARN: `arn:aws:kms:REGION:ACCOUNT:key/ID`.
pub(crate) fn account_of_key(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_key = rest.strip_prefix("key/").is_some_and(|id| !id.is_empty());
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_arn = scheme == "arn" && partition.starts_with("aws") && service == "kms";
    (is_arn && !region.is_empty() && is_account && is_key).then_some(account)
}

/// Refuses a context that is none, or that no key is asked with.
pub(crate) fn check_context(
    context: Option<&str>,
    algorithm: ServerSideEncryption,
) -> Result<(), AwsError> {
    let Some(context) = context else { return Ok(()) };
    let name = "x-amz-server-side-encryption-context";
    let bytes = STANDARD.decode(context).ok();
    let map =
        bytes.and_then(|bytes| serde_json::from_slice::<BTreeMap<String, String>>(&bytes).ok());
    if map.is_none() {
        let text = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded \
                    UTF-8 string holding JSON which represents a string-string map";
        return Err(refusal::invalid_argument(text, name, context));
    }
    match algorithm {
        ServerSideEncryption::Aes256 => {
            let text = "Server Side Encryption with AWS KMS managed key requires HTTP header \
                        x-amz-server-side-encryption : aws:kms";
            Err(refusal::invalid_argument(text, name, context))
        }
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_whole_arn() {
        let account = account_of_key("arn:aws:kms:eu-west-1:111122223333:key/a-b");
        assert_eq!(account, Some("111122223333"));
        for other in [
            "a-b",
            "arn:aws:kms:eu-west-1:111122223333:alias/x",
            "arn:aws:kms:eu-west-1:111122223333:key/",
            "arn:aws:kms:eu-west-1:1111:key/a",
        ] {
            assert_eq!(account_of_key(other), None, "{other}");
        }
    }

    #[test]
    fn a_context_is_a_map_of_texts_for_a_key() {
        let kms = ServerSideEncryption::AwsKms;
        let good = STANDARD.encode(r#"{"a":"b"}"#);
        assert!(check_context(Some(&good), kms).is_ok());
        assert!(check_context(None, ServerSideEncryption::Aes256).is_ok());
        assert!(check_context(Some(&good), ServerSideEncryption::Aes256).is_err());
        for bad in ["{}", &STANDARD.encode(r#"{"a":1}"#), &STANDARD.encode("[]")] {
            assert_eq!(check_context(Some(bad), kms).unwrap_err().code(), "InvalidArgument");
        }
    }
}
