//! `DeleteObject` and `DeleteObjects`.

use std::sync::Arc;

use haar_kernel::{Answer, Auth, Call, Flow};
use haar_s3_contract::model::{
    DeleteObject, DeleteObjectOutput, DeleteObjectRequest, DeleteObjects, DeleteObjectsOutput,
    DeleteObjectsRequest, DeletedObject, Error, ObjectIdentifier,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::S3;
use crate::access::Ask;
use crate::lookup::{refuse_version_id, version_shown};
use crate::metering::Class;
use crate::notices::{Cause, Happening};
use crate::refusal;
use crate::state::BucketRow;
use crate::store::{Change, Deleted, Record};

/// Most keys of one `DeleteObjects`.
const KEY_COUNT_MAX: usize = 1000;

/// What is to be deleted.
struct Doomed<'a> {
    key: &'a str,
    version_id: Option<&'a str>,
    may_bypass: bool,
    etag: Option<&'a str>,
    modified_at: Option<Timestamp>,
    size: Option<i64>,
}

/// AWS docs: *Amazon S3 API Reference > DeleteObject*.
impl Flow<DeleteObject> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: DeleteObjectRequest) -> Answer<DeleteObject> {
        let bucket = self.bucket(&input.bucket)?;
        let doomed = Doomed {
            key: &input.key,
            version_id: input.version_id.as_deref(),
            may_bypass: input.bypass_governance_retention == Some(true),
            etag: input.if_match.as_deref(),
            modified_at: input.if_match_last_modified_time,
            size: input.if_match_size,
        };
        let deleted = self.delete(&call, &bucket, &doomed);
        let deleted = self.store.settled(deleted).await?;
        self.store.sync().await?;
        let mut output = DeleteObjectOutput::default();
        match &deleted {
            Deleted::Nothing => output.version_id = input.version_id,
            Deleted::Version(record) => {
                output.version_id =
                    version_shown(&bucket, record).filter(|_| input.version_id.is_some());
                output.delete_marker = record.is_marker.then_some(true);
            }
            Deleted::Marked(marker) => {
                output.version_id = version_shown(&bucket, marker);
                output.delete_marker = Some(true);
            }
        }
        Ok(output)
    }
}

/// AWS docs: *Amazon S3 API Reference > DeleteObjects*.
impl Flow<DeleteObjects> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: DeleteObjectsRequest,
    ) -> Answer<DeleteObjects> {
        let bucket = self.bucket(&input.bucket)?;
        let objects = &input.delete.objects;
        if objects.is_empty() || objects.len() > KEY_COUNT_MAX {
            return Err(refusal::malformed_xml());
        }
        let is_quiet = input.delete.quiet == Some(true);
        let (mut done, mut errors) = (Vec::new(), Vec::new());
        for object in objects {
            let doomed = Doomed {
                key: &object.key,
                version_id: object.version_id.as_deref().filter(|id| !id.is_empty()),
                may_bypass: input.bypass_governance_retention == Some(true),
                etag: object.e_tag.as_deref(),
                modified_at: object.last_modified_time,
                size: object.size,
            };
            let deleted = self
                .permit_delete(&call, &bucket, &doomed)
                .and_then(|()| self.delete(&call, &bucket, &doomed));
            match deleted {
                Ok(deleted) if !is_quiet => done.push(told(object, &deleted)),
                Ok(_) => {}
                Err(error) => errors.push(Error {
                    key: Some(object.key.clone()),
                    version_id: object.version_id.clone(),
                    code: Some(error.code().to_owned()),
                    message: Some(error.message().to_owned()),
                }),
            }
        }
        self.store.sync().await?;
        self.meter(&call, &bucket, Class::Write);
        Ok(DeleteObjectsOutput {
            deleted: (!done.is_empty()).then_some(done),
            errors: (!errors.is_empty()).then_some(errors),
            request_charged: None,
        })
    }
}

fn told(object: &ObjectIdentifier, deleted: &Deleted) -> DeletedObject {
    let mut told = DeletedObject {
        key: Some(object.key.clone()),
        version_id: object.version_id.clone(),
        ..Default::default()
    };
    let marker = match deleted {
        Deleted::Marked(marker) => Some(marker),
        Deleted::Version(record) if record.is_marker => Some(record),
        _ => None,
    };
    if let Some(marker) = marker {
        told.delete_marker = Some(true);
        told.delete_marker_version_id = Some(marker.shown_id().to_owned());
    }
    told
}

impl S3 {
    fn permit_delete(
        &self,
        call: &Call,
        bucket: &BucketRow,
        doomed: &Doomed<'_>,
    ) -> Result<(), AwsError> {
        if call.auth == Auth::Permissive {
            return Ok(());
        }
        let action = match doomed.version_id {
            Some(_) => "s3:DeleteObjectVersion",
            None => "s3:DeleteObject",
        };
        let object = |action| Ask::of_object(action, &bucket.name, doomed.key, doomed.version_id);
        let version = doomed.version_id.map(|id| ("s3:VersionId".to_owned(), vec![id.to_owned()]));
        let keys: Vec<_> = version.into_iter().collect();
        self.permit(call, bucket, &object(action), &keys)?;
        match doomed.may_bypass {
            true => self.permit(call, bucket, &object("s3:BypassGovernanceRetention"), &keys),
            false => Ok(()),
        }
    }

    /// Deletes one object or version; on disk only after a sync.
    fn delete(
        &self,
        call: &Call,
        bucket: &BucketRow,
        doomed: &Doomed<'_>,
    ) -> Result<Deleted, AwsError> {
        refuse_version_id(doomed.version_id)?;
        let (ledger, cause) = (&self.doors.ledger, Cause::Caller(call));
        let work = |change: &mut Change<'_>, row: &BucketRow| {
            if doomed.is_conditional() {
                doomed.check(change.find(doomed.version_id)?.as_ref())?;
            }
            let deleted = match doomed.version_id {
                Some(id) => change.delete_version(id, doomed.may_bypass)?,
                None => change.delete(row.versioning, &call.account)?,
            };
            let told = match &deleted {
                Deleted::Nothing => None,
                Deleted::Version(record) => Some((record, Happening::Delete)),
                Deleted::Marked(marker) => Some((marker, Happening::DeleteMarkerCreated)),
            };
            let staged = told.map(|(record, what)| self.tell(change, row, (record, what, cause)));
            Ok((deleted, staged.unwrap_or_default()))
        };
        let (deleted, staged) = self.store.change(ledger, bucket, doomed.key, call.now, work)?;
        self.send(staged);
        Ok(deleted)
    }
}

impl Doomed<'_> {
    fn is_conditional(&self) -> bool {
        self.etag.is_some() || self.modified_at.is_some() || self.size.is_some()
    }

    fn check(&self, record: Option<&Record>) -> Result<(), AwsError> {
        let Some(record) = record.filter(|record| !record.is_marker) else {
            return match self.etag {
                Some(_) => Err(refusal::no_such_key(self.key)),
                None => Ok(()),
            };
        };
        let etag = self.etag.map(|etag| etag.trim_matches('"'));
        if etag.is_some_and(|etag| etag != "*" && etag != record.etag) {
            return Err(refusal::precondition_failed("If-Match"));
        }
        if self.modified_at.is_some_and(|at| at.seconds() != record.modified_at.seconds()) {
            return Err(refusal::precondition_failed("x-amz-if-match-last-modified-time"));
        }
        match self.size.is_some_and(|size| u64::try_from(size) != Ok(record.size)) {
            true => Err(refusal::precondition_failed("x-amz-if-match-size")),
            false => Ok(()),
        }
    }
}
