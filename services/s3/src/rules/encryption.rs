//! Encryption at rest: said, and kept to by the disk below.

use haar_s3_contract::model::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};
use haar_wire::AwsError;

use crate::refusal;

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
