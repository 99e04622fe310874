//! What an operation asks to be allowed.

use haar_s3_contract::model::TaggingDirective;
use haar_wire::{AwsError, OperationSchema, Shape, text_member};

use crate::rules::copy_source::CopySource;

/// One action on one bucket or object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) action: String,
    pub(crate) bucket: String,
    pub(crate) key: Option<String>,
    pub(crate) version_id: Option<String>,
    /// Whether it must not tell that an object is missing.
    pub(super) hides_missing: bool,
}

impl Ask {
    /// About a bucket.
    pub(crate) fn of_bucket(action: &str, bucket: &str) -> Self {
        Self { action: action.to_owned(), bucket: bucket.to_owned(), ..Self::default() }
    }

    /// About an object.
    pub(crate) fn of_object(
        action: &str,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Self {
        Self {
            key: Some(key.to_owned()),
            version_id: version_id.map(str::to_owned),
            ..Self::of_bucket(action, bucket)
        }
    }

    /// To read an object, and to learn that it is missing only if one may list.
    pub(crate) fn to_read(bucket: &str, key: &str) -> Self {
        Self { hides_missing: true, ..Self::of_object("s3:GetObject", bucket, key, None) }
    }

    /// `arn:aws:s3:::BUCKET/KEY`.
    pub(super) fn resource(&self) -> String {
        match &self.key {
            Some(key) => format!("arn:aws:s3:::{}/{key}", self.bucket),
            None => format!("arn:aws:s3:::{}", self.bucket),
        }
    }
}

/// All that an operation asks for. `DeleteObjects` asks for each key by itself.
pub(super) fn asks(
    operation: &'static OperationSchema,
    input: &dyn Shape,
) -> Result<Vec<Ask>, AwsError> {
    let text = |member: &str| text_member(input, member);
    let there = |member: &str| text(member).is_some();
    let bucket = text("Bucket").unwrap_or_default();
    let Some(key) = text("Key") else {
        return Ok(match operation.name {
            "DeleteObjects" => Vec::new(),
            _ => vec![Ask::of_bucket(operation.action, &bucket)],
        });
    };
    let version_id = text("VersionId");
    let version_id = version_id.as_deref();
    let object = |action: &str| Ask::of_object(action, &bucket, &key, version_id);
    let mut asks = vec![object(&of_version(operation.action, version_id))];
    match operation.name {
        "GetObject" | "HeadObject" => asks[0].hides_missing = true,
        "GetObjectAttributes" => {
            asks.push(object(&of_version("s3:GetObject", version_id)));
        }
        "UpdateObjectEncryption" => asks.push(object("s3:PutObject")),
        "CopyObject" | "UploadPartCopy" => {
            let source = CopySource::read(&text("CopySource").unwrap_or_default())?;
            let version = source.version_id.as_deref();
            let action = of_version("s3:GetObject", version);
            asks.push(Ask {
                hides_missing: true,
                ..Ask::of_object(&action, &source.bucket, &source.key, version)
            });
        }
        _ => {}
    }
    let is_write = matches!(operation.name, "PutObject" | "CopyObject" | "CreateMultipartUpload");
    let grants = ["ACL", "GrantRead", "GrantFullControl", "GrantReadACP", "GrantWriteACP"];
    let replaces = text("TaggingDirective").as_deref() != Some(TaggingDirective::Copy.as_str());
    for (wanted, action) in [
        (is_write && grants.iter().any(|member| there(member)), "s3:PutObjectAcl"),
        (is_write && there("Tagging") && replaces, "s3:PutObjectTagging"),
        (is_write && there("ObjectLockMode"), "s3:PutObjectRetention"),
        (is_write && there("ObjectLockLegalHoldStatus"), "s3:PutObjectLegalHold"),
        (
            text("BypassGovernanceRetention").as_deref() == Some("true"),
            "s3:BypassGovernanceRetention",
        ),
    ] {
        if wanted {
            asks.push(object(action));
        }
    }
    Ok(asks)
}

/// `s3:GetObjectVersion` for `s3:GetObject` where a version is named.
fn of_version(action: &str, version_id: Option<&str>) -> String {
    const KINDS: [&str; 8] = [
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:GetObjectAcl",
        "s3:PutObjectAcl",
        "s3:GetObjectTagging",
        "s3:PutObjectTagging",
        "s3:DeleteObjectTagging",
        "s3:GetObjectAttributes",
    ];
    match version_id {
        Some(_) if KINDS.contains(&action) => action.replacen("Object", "ObjectVersion", 1),
        _ => action.to_owned(),
    }
}

/// The condition keys that a request's own members make.
pub(super) fn keys_of(input: &dyn Shape) -> Vec<(String, Vec<String>)> {
    let named = [
        ("s3:prefix", "Prefix"),
        ("s3:delimiter", "Delimiter"),
        ("s3:max-keys", "MaxKeys"),
        ("s3:VersionId", "VersionId"),
        ("s3:x-amz-acl", "ACL"),
        ("s3:x-amz-copy-source", "CopySource"),
        ("s3:x-amz-metadata-directive", "MetadataDirective"),
        ("s3:x-amz-server-side-encryption", "ServerSideEncryption"),
        ("s3:x-amz-server-side-encryption-aws-kms-key-id", "SSEKMSKeyId"),
        ("s3:x-amz-server-side-encryption-customer-algorithm", "SSECustomerAlgorithm"),
        ("s3:x-amz-storage-class", "StorageClass"),
        ("s3:x-amz-grant-read", "GrantRead"),
        ("s3:x-amz-grant-full-control", "GrantFullControl"),
        ("s3:object-lock-mode", "ObjectLockMode"),
        ("s3:object-lock-legal-hold", "ObjectLockLegalHoldStatus"),
        ("s3:if-none-match", "IfNoneMatch"),
        ("s3:if-match", "IfMatch"),
    ];
    let mut keys = Vec::new();
    for (key, member) in named {
        if let Some(text) = text_member(input, member) {
            keys.push((key.to_owned(), vec![text]));
        }
    }
    let tags = text_member(input, "Tagging");
    if let Some(tags) = tags.and_then(|text| crate::rules::tags::of_header(&text).ok()) {
        keys.push(("s3:RequestObjectTagKeys".to_owned(), tags.keys().cloned().collect()));
        let tags = tags.into_iter();
        keys.extend(tags.map(|(key, value)| (format!("s3:RequestObjectTag/{key}"), vec![value])));
    }
    keys
}
