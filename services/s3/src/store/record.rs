//! Records of objects in kv.

use std::collections::BTreeMap;

use bytes::Bytes;
use haar_blobs::Digest;
use haar_s3_contract::model::{ObjectLockMode, ServerSideEncryption, StorageClass};
use haar_types::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use crate::checksum::Checksum;
use crate::customer::{Nonce, Seal};
use crate::rules::acl::Acl;
use crate::rules::archive::Restore;
use crate::rules::replication::Copies;

/// Bytes up to so many stand in their record: one look finds both. They are written again with what
/// is said of the object, and a listing reads at most some five times what it shows.
pub(super) const WITHIN_MAX: usize = 2 << 10;
/// What is said of most objects comes to no more.
const SAID_BYTES: usize = 512;

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Ascends with each version of a key.
    pub(crate) sequence: u64,
    /// `None` for the null version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version_id: Option<String>,
    /// Says that the object is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_marker: bool,
    pub(crate) modified_at: Timestamp,
    pub(crate) size: u64,
    /// Without its quotes.
    pub(crate) etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
    pub(crate) bytes: Place,
    /// Of an object that was uploaded in parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<PartOf>,
    /// The upload that it was, by which that may be completed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<String>,
    pub(crate) manner: Manner,
    /// Since when it is not the newest any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) superseded_at: Option<Timestamp>,
    /// Of an archived version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restore: Option<Restore>,
    /// Of a version that is copied to other buckets, or is such a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replication: Option<Copies>,
}

/// What a writer says of an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manner {
    /// Whose it is: the bucket's owner, or who wrote it.
    pub(crate) owner: AccountId,
    pub(crate) headers: Headers,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(crate) tags: Tags,
    /// `None` for the owner's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acl: Option<Acl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention: Option<Retention>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) legal_hold: bool,
    pub(crate) encryption: Encryption,
}

/// Headers that come back as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Headers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) website_redirect_location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<StorageClass>,
    /// `x-amz-meta-…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Until when a version may not be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retention {
    pub(crate) mode: ObjectLockMode,
    pub(crate) until: Timestamp,
}

impl Retention {
    /// Whether `new` would let go what `old` locks still, or sooner: a lock may be made longer or
    /// stricter.
    pub(crate) fn is_weakened(old: Option<Self>, new: Option<Self>, now: Timestamp) -> bool {
        let Some(old) = old.filter(|old| old.until > now) else { return false };
        !new.is_some_and(|new| {
            let keeps = old.mode == ObjectLockMode::Governance || new.mode == old.mode;
            keeps && new.until >= old.until
        })
    }
}

impl Manner {
    /// What locks a copy stays, whatever its original says now.
    pub(crate) fn keep_locks(&mut self, there: &Self, now: Timestamp) {
        self.legal_hold |= there.legal_hold;
        if Retention::is_weakened(there.retention, self.retention, now) {
            self.retention = there.retention;
        }
    }
}

/// How an object is said to be encrypted at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    pub(crate) algorithm: ServerSideEncryption,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bucket_key: Option<bool>,
    /// What the customer's key is asked with, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    /// Of a customer's own key, which is in force then, whatever is said above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<Seal>,
}

/// One of the parts that an object was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartOf {
    pub(crate) number: i32,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<Checksum>,
}

/// Where an object's bytes are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// There are none.
    #[default]
    Nowhere,
    /// In the record itself.
    Within(Bytes),
    /// In kv, beside the record.
    Beside,
    /// In blobs, one behind the other.
    Blobs(Vec<Segment>),
}

/// One blob of an object's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) digest: Digest,
    pub(crate) length: u64,
    /// The number that it is locked with under its customer's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<Nonce>,
}

/// Bytes that wait for a record to name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Inline(Bytes),
    Blobs(Vec<Segment>),
}

impl Record {
    /// As requests and answers name it: the null version is `null`.
    pub(crate) fn shown_id(&self) -> &str {
        self.version_id.as_deref().unwrap_or("null")
    }

    /// The `ETag` header.
    pub(crate) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    pub(crate) fn encode(&self) -> Bytes {
        let within = match &self.bytes {
            Place::Within(bytes) => bytes.len(),
            _ => 0,
        };
        encode_about(self, within)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes)
    }
}

/// A record's bytes in kv.
pub(crate) fn encode<T: Serialize>(record: &T) -> Bytes {
    encode_about(record, 0)
}

/// Likewise of one that has about so many bytes beside what is said of an object.
fn encode_about<T: Serialize>(record: &T, more: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(SAID_BYTES + more);
    rmp_serde::encode::write_named(&mut bytes, record).expect("a record is plain data");
    bytes.into()
}

/// The record that bytes in kv are; `None`, with a line in the log, for what is none.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    haar_pack::read_named(bytes)
        .inspect_err(|error| tracing::error!(%error, "a record of an object cannot be read"))
        .ok()
}
