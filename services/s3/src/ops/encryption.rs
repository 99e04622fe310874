//! `UpdateObjectEncryption`: another key for an object that is there.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    ServerSideEncryption, UpdateObjectEncryption, UpdateObjectEncryptionRequest,
};
use haar_wire::AwsError;

use crate::S3;
use crate::refusal;
use crate::rules::encryption::account_of_key;
use crate::state::BucketRow;
use crate::store::{Encryption, Manner};

/// AWS docs: *Amazon S3 API Reference > UpdateObjectEncryption*.
impl Flow<UpdateObjectEncryption> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: UpdateObjectEncryptionRequest,
    ) -> Answer<UpdateObjectEncryption> {
        let bucket = self.bucket(&input.bucket)?;
        let asked = input.object_encryption.ssekms.as_ref().ok_or_else(|| {
            refusal::invalid_request(
                "Requests that modify an object encryption configuration require a valid new \
                 encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS \
                 for the updated encryption type, and then try again.",
            )
        })?;
        refuse_key(&bucket, &asked.kms_key_arn)?;
        let which = (&*input.key, input.version_id.as_deref());
        self.rewrite(&call, &bucket, which, None, |_, manner| {
            refuse_source(manner)?;
            refuse_locked(manner, call.now)?;
            manner.encryption = Encryption {
                algorithm: ServerSideEncryption::AwsKms,
                key_id: Some(asked.kms_key_arn.clone()),
                bucket_key: asked.bucket_key_enabled,
                ..Encryption::default()
            };
            Ok(())
        })
        .await?;
        Ok(Default::default())
    }
}

fn refuse_key(bucket: &BucketRow, arn: &str) -> Result<(), AwsError> {
    let account = account_of_key(arn).ok_or_else(|| {
        refusal::invalid_request(
            "Requests that modify an object's encryption type to SSE-KMS require a valid Amazon \
             Web Services KMS key Amazon Resource Name (ARN). Confirm that you have a correctly \
             formatted KMS key ARN in your request, and then try again.",
        )
    })?;
    match account == bucket.account.as_str() {
        true => Ok(()),
        false => Err(denied(
            "The Amazon Web Services KMS key in the request must be owned by the same account as \
             the bucket. Modify the request to specify a KMS key from the same account, and then \
             try again.",
        )),
    }
}

fn refuse_source(manner: &Manner) -> Result<(), AwsError> {
    let encryption = &manner.encryption;
    let is_doubled = encryption.algorithm == ServerSideEncryption::AwsKmsDsse;
    match is_doubled || encryption.customer.is_some() {
        true => Err(refusal::invalid_request(
            "The UpdateObjectEncryption operation doesn't support source objects with the \
             encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or \
             SSE-KMS are supported.",
        )),
        false => Ok(()),
    }
}

fn refuse_locked(manner: &Manner, now: haar_types::Timestamp) -> Result<(), AwsError> {
    let is_retained = manner.retention.is_some_and(|retention| retention.until > now);
    match is_retained || manner.legal_hold {
        true => Err(denied(
            "The encryption type for the specified object can\u{2019}t be updated because that \
             object is protected by S3 Object Lock. If the object has a governance-mode retention \
             period or a legal hold, you must first remove the Object Lock status on the object \
             before you issue your UpdateObjectEncryption request. You can't use the \
             UpdateObjectEncryption operation with objects that have an Object Lock compliance \
             mode retention period applied to them.",
        )),
        false => Ok(()),
    }
}

fn denied(text: &str) -> AwsError {
    AwsError::new("AccessDenied", 403, text)
}
