//! `PutObject`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{PutObject, PutObjectOutput, PutObjectRequest};
use haar_wire::AwsError;

use super::manner::{Said, check_key, said};
use crate::S3;
use crate::checksum::{given, show};
use crate::customer::Brought;
use crate::lookup::version_shown;
use crate::metering::Class;
use crate::notices::{Cause, Happening, Outgoing};
use crate::refusal;
use crate::render::{customer_key, encryption, expiration};
use crate::rules::condition::WriteConditions;
use crate::rules::customer_key as key;
use crate::rules::integrity::Wanted;
use crate::state::BucketRow;
use crate::store::{Held, Manner, Record, Sight};

/// A whole object on its way into a bucket.
pub(crate) struct Incoming<'a> {
    pub(crate) bucket: &'a BucketRow,
    pub(crate) key: &'a str,
    pub(crate) record: Record,
    pub(crate) held: Held,
    pub(crate) conditions: &'a WriteConditions,
    pub(crate) happening: Happening,
}

/// AWS docs: *Amazon S3 API Reference > PutObject*.
impl Flow<PutObject> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: PutObjectRequest) -> Answer<PutObject> {
        let bucket = self.bucket(&input.bucket)?;
        check_key(&input.key)?;
        if input.write_offset_bytes.is_some() {
            return Err(refusal::header_not_implemented("x-amz-write-offset-bytes"));
        }
        let key = key::Said { other: input.server_side_encryption, ..key::own_key!(input) };
        let brought = self.brought_key(&call, (&bucket, &input.key), &key)?;
        let seal = brought.as_ref().map(|brought| brought.seal.clone());
        let manner = Said { seal, ..said!(input) }.manner(&call, &bucket)?;
        let conditions = WriteConditions {
            if_match: input.if_match.clone(),
            if_none_match: input.if_none_match.clone(),
        };
        if conditions.are_there() {
            let newest = self.store.newest(bucket.id, &input.key)?;
            let checked = conditions.check(&input.key, newest.as_ref());
            self.store.seen(Sight::of_key(bucket.id, &input.key), checked).await?;
        }
        let wanted = Wanted {
            content_md5: input.content_md5.clone(),
            given: given!(input)?,
            algorithm: input.checksum_algorithm,
            ..Wanted::default()
        };
        let sealing = brought.as_ref().map(Brought::sealing);
        let spooled = self.spool(input.body, input.content_length, &wanted, sealing).await?;
        let record = Record {
            size: spooled.size,
            etag: spooled.etag.clone(),
            checksum: Some(spooled.checksum.clone()),
            manner,
            ..Record::default()
        };
        let held = spooled.keep().await?;
        let incoming = Incoming {
            bucket: &bucket,
            key: &input.key,
            record,
            held,
            conditions: &conditions,
            happening: Happening::Put,
        };
        let record = self.put(&call, incoming).await?;
        let mut output = PutObjectOutput {
            e_tag: Some(record.quoted_etag()),
            version_id: version_shown(&bucket, &record),
            expiration: expiration(&bucket, &input.key, &record),
            ..Default::default()
        };
        encryption!(with context output, &record.manner.encryption);
        customer_key!(output, brought.as_ref().map(|brought| &brought.key));
        if let Some(checksum) = &record.checksum {
            show!(output, checksum);
            output.checksum_type = Some(checksum.scope());
        }
        Ok(output)
    }
}

impl S3 {
    /// Puts an object in, and returns once that is on disk.
    pub(crate) async fn put(&self, call: &Call, new: Incoming<'_>) -> Result<Record, AwsError> {
        let Incoming { bucket, key, record, held, conditions, happening } = new;
        let (ledger, cause) = (&self.doors.ledger, Cause::Caller(call));
        let changed = self.store.change(ledger, bucket, key, call.now, |change, row| {
            if conditions.are_there() {
                conditions.check(key, change.newest()?.as_ref())?;
            }
            let replication = self.copies_of(row, key, &record);
            let record = Record { replication, ..record };
            let record = change.put(row.versioning, record, held)?;
            let staged = self.tell(change, row, (&record, happening, cause));
            Ok((record, staged))
        });
        let (record, staged) = self.store.settled(changed).await?;
        self.send(staged);
        self.store.sync().await?;
        self.meter(call, bucket, Class::of_write(&record));
        Ok(record)
    }

    /// Rewrites what is said of a version, and returns once that is on disk.
    pub(crate) async fn rewrite(
        &self,
        call: &Call,
        bucket: &BucketRow,
        (key, version_id): (&str, Option<&str>),
        happening: Option<Happening>,
        change: impl FnOnce(&BucketRow, &mut Manner) -> Result<(), AwsError>,
    ) -> Result<Record, AwsError> {
        self.settled_object(bucket, key, version_id, "PUT").await?;
        let (ledger, cause) = (&self.doors.ledger, Cause::Caller(call));
        let changed = self.store.change(ledger, bucket, key, call.now, |work, row| {
            let found = work.find(version_id)?.filter(|record| !record.is_marker);
            let mut record = found.ok_or_else(|| refusal::no_such_key(key))?;
            change(row, &mut record.manner)?;
            record.replication = self.copies_again(row, key, &record);
            work.rewrite(&record)?;
            let told = match happening {
                Some(what) => self.tell(work, row, (&record, what, cause)),
                None => {
                    let copies = self.stage_copies(work, row, &record);
                    Outgoing { copies, ..Outgoing::default() }
                }
            };
            Ok((record, told))
        });
        let (record, staged) = self.store.settled(changed).await?;
        self.send(staged);
        self.store.sync().await?;
        self.meter(call, bucket, Class::Write);
        Ok(record)
    }
}
