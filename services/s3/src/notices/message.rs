//! The messages themselves.

use haar_types::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Happening, Tale};
use crate::lookup::canonical_id;

/// What keys in records keep as it is; a space becomes a plus.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b'*').remove(b' ');

/// The record for queues, topics and functions. AWS docs: *Amazon S3 User Guide > Event message
/// structure*.
pub(super) fn records(tale: &Tale<'_>, configuration_id: &str) -> Value {
    use Happening::{AclPut, LifecycleDelete, LifecycleTransition, TaggingDelete, TaggingPut};
    let bucket = tale.bucket;
    let version = match tale.happening {
        TaggingPut | TaggingDelete | AclPut | LifecycleDelete | LifecycleTransition => "2.3",
        Happening::LifecycleDeleteMarkerCreated => "2.3",
        _ => "2.1",
    };
    let mut object = json!({
        "key": utf8_percent_encode(tale.key, PLAIN).to_string().replace(' ', "+"),
        "sequencer": sequencer(tale),
    });
    if !is_removal(tale.happening) {
        object["size"] = tale.record.size.into();
        object["eTag"] = tale.record.etag.clone().into();
    }
    if bucket.versioning.is_some() {
        object["versionId"] = tale.record.shown_id().into();
    }
    let mut told = json!({
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region.as_str(),
        "eventTime": tale.at.iso_millis(),
        "eventName": tale.happening.name(),
        "userIdentity": { "principalId": tale.cause.principal_id() },
        "requestParameters": {
            "sourceIPAddress": tale.cause.source_ip().as_deref().unwrap_or("127.0.0.1"),
        },
        "responseElements": {
            "x-amz-request-id": tale.cause.request_id(),
            "x-amz-id-2": tale.cause.request_id(),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": { "principalId": canonical_id(&bucket.account) },
                "arn": bucket.arn(),
            },
            "object": object,
        },
    });
    if let (Happening::RestoreCompleted, Some(restore)) = (tale.happening, tale.record.restore) {
        told["glacierEventData"] = json!({ "restoreEventData": {
            "lifecycleRestorationExpiryTime": restore.expires_at.iso_millis(),
            "lifecycleRestoreStorageClass": class_of(tale),
        }});
    }
    json!({ "Records": [told] })
}

fn class_of(tale: &Tale<'_>) -> &'static str {
    tale.record.manner.headers.storage_class.unwrap_or_default().as_str()
}

/// The event for EventBridge. AWS docs: *Amazon S3 User Guide > EventBridge event message
/// structure*.
pub(super) fn event(tale: &Tale<'_>) -> Value {
    let bucket = tale.bucket;
    let (detail_type, reason) = named(tale.happening);
    let mut object = json!({ "key": tale.key, "sequencer": sequencer(tale) });
    if !is_removal(tale.happening) {
        object["size"] = tale.record.size.into();
    }
    if !tale.record.etag.is_empty() && !is_removal(tale.happening) {
        object["etag"] = tale.record.etag.clone().into();
    }
    if bucket.versioning.is_some() {
        object["version-id"] = tale.record.shown_id().into();
    }
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": bucket.name },
        "object": object,
        "request-id": tale.cause.request_id(),
        "requester": tale.cause.requester(),
    });
    if let Some(address) = tale.cause.source_ip() {
        detail["source-ip-address"] = address.clone().into();
    }
    if let Some(reason) = reason {
        detail["reason"] = reason.into();
    }
    match tale.happening {
        Happening::LifecycleTransition => {
            detail["destination-storage-class"] = class_of(tale).into()
        }
        Happening::RestorePost | Happening::RestoreCompleted => {
            detail["source-storage-class"] = class_of(tale).into();
        }
        _ => {}
    }
    if let (Happening::RestoreCompleted, Some(restore)) = (tale.happening, tale.record.restore) {
        detail["restore-expiry-time"] = restore.expires_at.iso().into();
    }
    if detail_type == "Object Deleted" {
        let marked = matches!(
            tale.happening,
            Happening::DeleteMarkerCreated | Happening::LifecycleDeleteMarkerCreated
        );
        let kind = if marked { "Delete Marker Created" } else { "Permanently Deleted" };
        detail["deletion-type"] = kind.into();
    }
    json!({
        "source": "aws.s3",
        "detail-type": detail_type,
        "resources": [bucket.arn()],
        "time": tale.at.iso(),
        "detail": detail,
    })
}

fn named(happening: Happening) -> (&'static str, Option<&'static str>) {
    match happening {
        Happening::Put => ("Object Created", Some("PutObject")),
        Happening::Post => ("Object Created", Some("POST Object")),
        Happening::Copy => ("Object Created", Some("CopyObject")),
        Happening::CompleteMultipartUpload => ("Object Created", Some("CompleteMultipartUpload")),
        Happening::Delete | Happening::DeleteMarkerCreated => {
            ("Object Deleted", Some("DeleteObject"))
        }
        Happening::LifecycleDelete | Happening::LifecycleDeleteMarkerCreated => {
            ("Object Deleted", Some("Lifecycle Expiration"))
        }
        Happening::TaggingPut => ("Object Tags Added", None),
        Happening::TaggingDelete => ("Object Tags Deleted", None),
        Happening::AclPut => ("Object ACL Updated", None),
        Happening::LifecycleTransition => ("Object Storage Class Changed", None),
        Happening::RestorePost => ("Object Restore Initiated", None),
        Happening::RestoreCompleted => ("Object Restore Completed", None),
        Happening::RestoreDelete => ("Object Restore Expired", None),
    }
}

fn is_removal(happening: Happening) -> bool {
    matches!(
        happening,
        Happening::Delete
            | Happening::DeleteMarkerCreated
            | Happening::LifecycleDelete
            | Happening::LifecycleDeleteMarkerCreated
    )
}

/// Ascends with what happens to a key.
fn sequencer(tale: &Tale<'_>) -> String {
    match is_removal(tale.happening) && !tale.record.is_marker {
        // Later than the version that went.
        true => format!("{:018X}", tale.record.sequence.max((tale.at.0.unsigned_abs()) << 20) + 1),
        false => format!("{:018X}", tale.record.sequence),
    }
}

/// What a queue or a topic hears when it becomes a listener.
pub(crate) fn test_event(bucket: &str, at: Timestamp, request_id: &str) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": at.iso_millis(),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    })
}
