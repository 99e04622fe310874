//! Finding buckets and objects for requests.

use std::sync::Arc;

use haar_ledger::{Snapshot, Tx};
use haar_s3_contract::model::BucketVersioningStatus;
use haar_types::{AccountId, hex};
use haar_wire::AwsError;
use sha2::{Digest as _, Sha256};

use crate::S3;
use crate::refusal;
use crate::state::BucketRow;
use crate::store::{Record, Sight};

/// The bucket of that name.
pub(crate) fn find_bucket(snapshot: &Snapshot, name: &str) -> Result<Arc<BucketRow>, AwsError> {
    let row = snapshot.get::<BucketRow>(&name.to_owned());
    row.ok_or_else(|| refusal::no_such_bucket(name))
}

/// Changes a bucket's row.
pub(crate) fn edit(
    tx: &mut Tx,
    name: &str,
    change: impl FnOnce(&mut BucketRow) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let mut row = (*find_bucket(tx, name)?).clone();
    change(&mut row)?;
    tx.put(row);
    Ok(())
}

impl S3 {
    /// The bucket of that name, as it is now.
    pub(crate) fn bucket(&self, name: &str) -> Result<Arc<BucketRow>, AwsError> {
        find_bucket(&self.doors.ledger.snapshot(), name)
    }

    /// The version that a request reads, once it is on disk.
    pub(crate) async fn settled_object(
        &self,
        bucket: &BucketRow,
        key: &str,
        version_id: Option<&str>,
        method: &str,
    ) -> Result<Record, AwsError> {
        let found = self.object(bucket, key, version_id, method);
        self.store.seen(Sight::of_key(bucket.id, key), found).await
    }

    /// The version that a request reads; a delete marker is refused as AWS does. It may not be on
    /// disk yet: nobody is told of it before [`crate::store::Store::seen`].
    pub(crate) fn object(
        &self,
        bucket: &BucketRow,
        key: &str,
        version_id: Option<&str>,
        method: &str,
    ) -> Result<Record, AwsError> {
        refuse_version_id(version_id)?;
        let found = self.store.find(bucket.id, key, version_id)?;
        match (found, version_id) {
            (Some(record), _) if !record.is_marker => Ok(record),
            (Some(marker), None) => Err(marked(refusal::no_such_key(key), &marker)),
            (Some(marker), Some(_)) => {
                let refused = refusal::method_not_allowed(method, "DeleteMarker");
                let modified = crate::render::http_date(marker.modified_at);
                Err(marked(refused.header("last-modified", modified), &marker))
            }
            (None, Some(wanted)) => Err(refusal::no_such_version(key, wanted)),
            (None, None) => Err(refusal::no_such_key(key)),
        }
    }
}

fn marked(refusal: AwsError, marker: &Record) -> AwsError {
    refusal.header("x-amz-delete-marker", "true").header("x-amz-version-id", marker.shown_id())
}

/// Ids of versions are ours, or `null`.
pub(crate) fn refuse_version_id(version_id: Option<&str>) -> Result<(), AwsError> {
    match version_id {
        Some("") => {
            let text = "Version id cannot be the empty string";
            Err(refusal::invalid_argument(text, "versionId", ""))
        }
        Some(id) if id != "null" && crate::store::sequence_of(id).is_none() => {
            let text = "Invalid version id specified";
            Err(refusal::invalid_argument(text, "versionId", id))
        }
        _ => Ok(()),
    }
}

/// The version that an answer names: none before a bucket keeps any.
pub(crate) fn version_shown(bucket: &BucketRow, record: &Record) -> Option<String> {
    bucket.versioning.map(|_| record.shown_id().to_owned())
}

/// Whether a bucket keeps versions now.
pub(crate) fn keeps_versions(bucket: &BucketRow) -> bool {
    bucket.versioning == Some(BucketVersioningStatus::Enabled)
}

/// An account's canonical user id: 64 hex digits, made of the account alone.
pub(crate) fn canonical_id(account: &AccountId) -> String {
    hex(&Sha256::digest(format!("canonical user of {account}")))
}
