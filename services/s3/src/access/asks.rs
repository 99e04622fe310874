//! What an operation asks to be allowed.

use std::any::Any;

use haar_kernel::{Call, SignaturePlace, request_tags};
use haar_s3_contract::model::{
    CopyObjectRequest, CreateBucketRequest, CreateMultipartUploadRequest,
    PutObjectLegalHoldRequest, PutObjectRequest, PutObjectRetentionRequest,
    PutObjectTaggingRequest, Tag, TaggingDirective,
};
use haar_types::{Tags, Timestamp};
use haar_wire::{AwsError, Json, OperationSchema, Shape, text_member};

use crate::rules::copy_source::CopySource;
use crate::rules::tags;

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
            "CreateBucket" => of_creation(&bucket, operation.action, input),
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

/// What a bucket is made with is asked for as if it were said later.
/// AWS docs: *Amazon S3 API Reference > CreateBucket > Permissions*.
fn of_creation(bucket: &str, action: &str, input: &dyn Shape) -> Vec<Ask> {
    let text = |member: &str| text_member(input, member);
    let any: &dyn Any = input;
    let create = any.downcast_ref::<CreateBucketRequest>();
    let lists =
        ["ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"];
    let is_private = |said: &str| said == "private"; // what a bucket is anyway
    let has_list = lists.iter().any(|member| text(member).is_some_and(|said| !is_private(&said)));
    let has_lock = text("ObjectLockEnabledForBucket").as_deref() == Some("true");
    let actions = [
        (true, action),
        (has_list, "s3:PutBucketAcl"),
        (has_lock, "s3:PutBucketObjectLockConfiguration"),
        (has_lock, "s3:PutBucketVersioning"),
        (text("ObjectOwnership").is_some(), "s3:PutBucketOwnershipControls"),
        (create.is_some_and(|create| !tags_of(create).is_empty()), "s3:TagResource"),
    ];
    let actions = actions.into_iter().filter(|(is_asked, _)| *is_asked);
    actions.map(|(_, action)| Ask::of_bucket(action, bucket)).collect()
}

/// The tags that a bucket is made with.
fn tags_of(create: &CreateBucketRequest) -> &[Tag] {
    let config = create.create_bucket_configuration.as_ref();
    config.and_then(|config| config.tags.as_deref()).unwrap_or_default()
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

/// The condition keys of how a request was signed.
pub(super) fn keys_of_signature(call: &Call) -> Vec<(String, Vec<String>)> {
    let Some(signature) = &call.signature else { return Vec::new() };
    let place = match signature.place {
        SignaturePlace::Header => "REST-HEADER",
        SignaturePlace::Query => "REST-QUERY-STRING",
        SignaturePlace::Form => "POST",
    };
    // of what may be old when it is sent alone
    let at = signature.at.filter(|_| signature.place != SignaturePlace::Header);
    let age = at.map(|at| call.now.since(at).as_millis().to_string());
    [
        ("s3:authType", Some(place.to_owned())),
        ("s3:signatureversion", Some(signature.version.as_str().to_owned())),
        ("s3:signatureAge", age),
        ("s3:x-amz-content-sha256", signature.payload.clone()),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), vec![value?])))
    .collect()
}

/// The condition keys that a request's own members make.
pub(super) fn keys_of(input: &dyn Shape, now: Timestamp) -> Vec<(String, Vec<String>)> {
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
    let tags = tags.and_then(|text| tags::of_header(&text).ok());
    keys.extend(tags.into_iter().flat_map(tag_keys));
    keys.extend(of_body(input, now));
    keys
}

/// `s3:RequestObjectTag/NAME` and the names together.
fn tag_keys(tags: Tags) -> Vec<(String, Vec<String>)> {
    let mut keys =
        vec![("s3:RequestObjectTagKeys".to_owned(), tags.keys().cloned().collect::<Vec<_>>())];
    let tags = tags.into_iter();
    keys.extend(tags.map(|(key, value)| (format!("s3:RequestObjectTag/{key}"), vec![value])));
    keys
}

/// The keys of what a request says in its body, and of dates.
fn of_body(input: &dyn Shape, now: Timestamp) -> Vec<(String, Vec<String>)> {
    let any: &dyn Any = input;
    let key = |name: &str, value: String| vec![(format!("s3:{name}"), vec![value])];
    if let Some(put) = any.downcast_ref::<PutObjectTaggingRequest>() {
        let tags = put.tagging.tag_set.clone();
        return tag_keys(tags.into_iter().map(|tag| (tag.key, tag.value)).collect());
    }
    if let Some(create) = any.downcast_ref::<CreateBucketRequest>() {
        let config = create.create_bucket_configuration.as_ref();
        let place = config.and_then(|config| config.location_constraint.clone());
        let place = place.map(|place| key("LocationConstraint", place.to_string()));
        let tags = tags_of(create).iter().map(|tag| (tag.key.clone(), Json::from(&*tag.value)));
        let tags = request_tags(&Json::Object(tags.collect()), &Json::Null);
        return place.into_iter().flatten().chain(tags).collect();
    }
    if let Some(put) = any.downcast_ref::<PutObjectLegalHoldRequest>() {
        let status = put.legal_hold.as_ref().and_then(|hold| hold.status);
        return status.map_or_else(Vec::new, |status| {
            key("object-lock-legal-hold", status.as_str().to_owned())
        });
    }
    if let Some(put) = any.downcast_ref::<PutObjectRetentionRequest>() {
        let Some(asked) = &put.retention else { return Vec::new() };
        let mode = asked.mode.map(|mode| key("object-lock-mode", mode.as_str().to_owned()));
        let until = asked.retain_until_date.map(|until| of_date(until, now));
        return mode.into_iter().chain(until).flatten().collect();
    }
    let until = if let Some(put) = any.downcast_ref::<PutObjectRequest>() {
        put.object_lock_retain_until_date
    } else if let Some(copy) = any.downcast_ref::<CopyObjectRequest>() {
        copy.object_lock_retain_until_date
    } else {
        let begin = any.downcast_ref::<CreateMultipartUploadRequest>();
        begin.and_then(|begin| begin.object_lock_retain_until_date)
    };
    until.map_or_else(Vec::new, |until| of_date(until, now))
}

/// Until when, and for how many days, a begun one too (*Ours*), an object is to be locked.
fn of_date(until: Timestamp, now: Timestamp) -> Vec<(String, Vec<String>)> {
    let days = until.since(now).as_secs().div_ceil(24 * 3600);
    vec![
        ("s3:object-lock-retain-until-date".to_owned(), vec![until.iso()]),
        ("s3:object-lock-remaining-retention-days".to_owned(), vec![days.to_string()]),
    ]
}

/// What a copy asks for besides where its source has tags that it takes along: of the source
/// first, then of the copy.
pub(super) fn of_tags_along(input: &CopyObjectRequest, source: &CopySource) -> [Ask; 2] {
    let version = source.version_id.as_deref();
    let read = of_version("s3:GetObjectTagging", version);
    [
        Ask::of_object(&read, &source.bucket, &source.key, version),
        Ask::of_object("s3:PutObjectTagging", &input.bucket, &input.key, None),
    ]
}
