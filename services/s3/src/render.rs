//! Records as answers show them.

use haar_s3_contract::model::{
    ObjectLockLegalHoldStatus, ObjectLockMode, OptionalObjectAttributes, RestoreStatus,
    ServerSideEncryption,
};
use haar_types::Timestamp;

use crate::rules::lifecycle::{Seen, expiration_header};
use crate::state::BucketRow;
use crate::store::{Encryption, Record};

/// A time as headers have it.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT")
}

/// Fills what `GetObject` and `HeadObject` answer alike.
macro_rules! describe {
    ($output:expr, $bucket:expr, $key:expr, $record:expr, $checksum:expr) => {{
        let record: &$crate::store::Record = $record;
        let (headers, manner) = (&record.manner.headers, &record.manner);
        $output.accept_ranges = Some("bytes".to_owned());
        $output.last_modified = Some(record.modified_at);
        $output.e_tag = Some(record.quoted_etag());
        $output.version_id = $crate::lookup::version_shown($bucket, record);
        $output.cache_control = headers.cache_control.clone();
        $output.content_disposition = headers.content_disposition.clone();
        $output.content_encoding = headers.content_encoding.clone();
        $output.content_language = headers.content_language.clone();
        $output.content_type = Some($crate::render::content_type(record));
        $output.expires = headers.expires.clone();
        $output.website_redirect_location = headers.website_redirect_location.clone();
        $output.metadata = Some(headers.metadata.clone());
        $output.storage_class = $crate::render::storage_class(record);
        $output.expiration = $crate::render::expiration($bucket, $key, record);
        $output.replication_status = record.replication.as_ref().map(|copies| copies.status());
        $output.object_lock_mode = $crate::render::lock_mode(record);
        $output.object_lock_retain_until_date = manner.retention.map(|retention| retention.until);
        $output.object_lock_legal_hold_status = $crate::render::legal_hold(record);
        $crate::render::encryption!($output, &manner.encryption);
        if let Some(checksum) = $checksum {
            $crate::checksum::show!($output, checksum);
            $output.checksum_type = record.checksum.as_ref().map(|whole| whole.scope());
        }
    }};
}

/// Fills the three members that tell of encryption.
macro_rules! encryption {
    ($output:expr, $encryption:expr) => {{
        let encryption: &$crate::store::Encryption = $encryption;
        $output.server_side_encryption = $crate::render::algorithm_shown(encryption);
        $output.ssekms_key_id = $crate::render::key_shown(encryption);
        $output.bucket_key_enabled = encryption.bucket_key.filter(|enabled| *enabled);
    }};
    (with context $output:expr, $encryption:expr) => {{
        $crate::render::encryption!($output, $encryption);
        $output.ssekms_encryption_context = $encryption.context.clone();
    }};
}

/// Fills the two members that confirm a customer's key.
macro_rules! customer_key {
    ($output:expr, $key:expr) => {{
        let key: Option<&$crate::customer::CustomerKey> = $key;
        $output.sse_customer_algorithm = key.map(|_| "AES256".to_owned());
        $output.sse_customer_key_md5 = key.map(|key| key.md5());
    }};
}

pub(crate) use {customer_key, describe, encryption};

/// How an object is said to be encrypted, unless a customer's key does it.
pub(crate) fn algorithm_shown(encryption: &Encryption) -> Option<ServerSideEncryption> {
    encryption.customer.is_none().then_some(encryption.algorithm)
}

/// The `Content-Type` that an object has, though its writer may have named none.
pub(crate) fn content_type(record: &Record) -> String {
    let usual = || "binary/octet-stream".to_owned();
    record.manner.headers.content_type.clone().unwrap_or_else(usual)
}

/// When the newest version expires, and by which rule.
pub(crate) fn expiration(bucket: &BucketRow, key: &str, record: &Record) -> Option<String> {
    let seen = Seen { key, size: record.size, tags: &record.manner.tags };
    let is_newest = record.superseded_at.is_none();
    let config = bucket.lifecycle.as_ref().filter(|_| is_newest);
    expiration_header(config, seen, record.modified_at)
}

/// A class beside the usual one.
pub(crate) fn storage_class(record: &Record) -> Option<haar_s3_contract::model::StorageClass> {
    let class = record.manner.headers.storage_class;
    class.filter(|class| *class != haar_s3_contract::model::StorageClass::Standard)
}

/// What a listing tells of a restored copy.
pub(crate) fn restore_status(record: &Record, now: Timestamp) -> Option<RestoreStatus> {
    let restore = record.restore.filter(|one| one.is_ongoing(now) || one.is_there(now))?;
    let is_ongoing = restore.is_ongoing(now);
    Some(RestoreStatus {
        is_restore_in_progress: Some(is_ongoing),
        restore_expiry_date: (!is_ongoing).then_some(restore.expires_at),
    })
}

/// As of when a listing is to tell of restored copies, if it is to.
pub(crate) fn restores_at(
    wanted: Option<&[OptionalObjectAttributes]>,
    now: Timestamp,
) -> Option<Timestamp> {
    let wanted = wanted.unwrap_or_default();
    wanted.contains(&OptionalObjectAttributes::RestoreStatus).then_some(now)
}

pub(crate) fn lock_mode(record: &Record) -> Option<ObjectLockMode> {
    record.manner.retention.map(|retention| retention.mode)
}

pub(crate) fn legal_hold(record: &Record) -> Option<ObjectLockLegalHoldStatus> {
    record.manner.legal_hold.then_some(ObjectLockLegalHoldStatus::On)
}

/// The key that an object is said to be encrypted with; S3's own is not named.
pub(crate) fn key_shown(encryption: &Encryption) -> Option<String> {
    match encryption.algorithm {
        ServerSideEncryption::Aes256 => None,
        _ => encryption.key_id.clone(),
    }
}
