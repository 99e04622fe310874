//! Uploads in parts: how they begin and end.
//!
//! AWS docs: *Amazon S3 User Guide > Uploading and copying objects using multipart upload*.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    AbortMultipartUpload, AbortMultipartUploadRequest, ChecksumType, CompleteMultipartUpload,
    CompleteMultipartUploadOutput, CompleteMultipartUploadRequest, CompletedPart,
    CreateMultipartUpload, CreateMultipartUploadOutput, CreateMultipartUploadRequest,
};
use haar_types::{Timestamp, hex};
use haar_wire::AwsError;
use md5::{Digest as _, Md5};

use super::manner::{Said, check_key, said};
use super::part::other_kind;
use super::uploads::scope_of;
use crate::S3;
use crate::checksum::{Checksum, Kind, given, show};
use crate::customer::of_part;
use crate::lookup::version_shown;
use crate::metering::Class;
use crate::notices::{Cause, Happening};
use crate::refusal;
use crate::render::{customer_key, encryption, expiration};
use crate::rules::condition::WriteConditions;
use crate::rules::customer_key as key;
use crate::rules::integrity::bad_digest;
use crate::rules::{lifecycle, location};
use crate::state::BucketRow;
use crate::store::{PartRecord, Record, Segment, Sight, UploadRecord};

/// Fewest bytes of a part that is not the last.
const PART_MIN: u64 = 5 << 20;
/// Most bytes of an object. AWS docs: *Amazon S3 User Guide > Multipart upload limits*.
const OBJECT_MAX: u64 = 50 << 40;

impl Flow<CreateMultipartUpload> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: CreateMultipartUploadRequest,
    ) -> Answer<CreateMultipartUpload> {
        let bucket = self.bucket(&input.bucket)?;
        check_key(&input.key)?;
        let kind = input.checksum_algorithm.map(Kind::of).transpose()?;
        let key = key::Said { other: input.server_side_encryption, ..key::own_key!(input) };
        let brought = self.brought_key(&call, (&bucket, &input.key), &key)?;
        let seal = brought.as_ref().map(|brought| brought.seal.clone());
        let upload = UploadRecord {
            id: self.store.mint_upload_id(call.now),
            initiated_at: call.now,
            initiator: (call.account.clone(), call.principal.arn()),
            manner: Said { seal, ..said!(input) }.manner(&call, &bucket)?,
            kind,
            is_composite: is_composite(kind, input.checksum_type)?,
        };
        let ledger = &self.doors.ledger;
        self.store.change(ledger, &bucket, &input.key, call.now, |change, _| {
            change.begin_upload(&upload);
            Ok(())
        })?;
        self.store.sync().await?;
        self.meter(&call, &bucket, Class::Write);
        let key = input.key;
        let mut output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(key.clone()),
            upload_id: Some(upload.id),
            checksum_algorithm: kind.map(Kind::algorithm),
            checksum_type: kind.map(|_| match upload.is_composite {
                true => ChecksumType::Composite,
                false => ChecksumType::FullObject,
            }),
            ..Default::default()
        };
        encryption!(with context output, &upload.manner.encryption);
        (output.abort_date, output.abort_rule_id) = abort(&bucket, &key, call.now).unzip();
        customer_key!(output, brought.as_ref().map(|brought| &brought.key));
        Ok(output)
    }
}

/// When an upload is given up, and by which rule.
pub(super) fn abort(
    bucket: &BucketRow,
    key: &str,
    initiated_at: Timestamp,
) -> Option<(Timestamp, String)> {
    lifecycle::abort(bucket.lifecycle.as_ref(), key, initiated_at)
}

/// Whether the object's checksum will be one of its parts'.
fn is_composite(kind: Option<Kind>, asked: Option<ChecksumType>) -> Result<bool, AwsError> {
    let refused = |scope: ChecksumType, kind: Kind| {
        let name = kind.name().to_lowercase();
        refusal::invalid_request(format!(
            "The {scope} checksum type cannot be used with the {name} checksum algorithm."
        ))
    };
    match (kind, asked) {
        (None, None) => Ok(false),
        (None, Some(_)) => {
            let text = "The x-amz-checksum-type header can only be used with the \
                        x-amz-checksum-algorithm header.";
            Err(refusal::invalid_request(text))
        }
        (Some(Kind::Crc64nvme), Some(ChecksumType::Composite)) => {
            Err(refused(ChecksumType::Composite, Kind::Crc64nvme))
        }
        (Some(kind), Some(ChecksumType::FullObject)) if !kind.is_linear() => {
            Err(refused(ChecksumType::FullObject, kind))
        }
        (Some(kind), None) => Ok(kind != Kind::Crc64nvme),
        (Some(_), Some(scope)) => Ok(scope == ChecksumType::Composite),
    }
}

impl Flow<AbortMultipartUpload> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: AbortMultipartUploadRequest,
    ) -> Answer<AbortMultipartUpload> {
        let bucket = self.bucket(&input.bucket)?;
        if input.if_match_initiated_time.is_some() {
            return Err(refusal::header_not_implemented("x-amz-if-match-initiated-time"));
        }
        let ledger = &self.doors.ledger;
        let ended = self.store.change(ledger, &bucket, &input.key, call.now, |change, _| {
            change.end_upload(&input.upload_id)
        });
        self.store.settled(ended).await?;
        self.store.sync().await?;
        Ok(Default::default())
    }
}

impl Flow<CompleteMultipartUpload> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: CompleteMultipartUploadRequest,
    ) -> Answer<CompleteMultipartUpload> {
        let bucket = self.bucket(&input.bucket)?;
        let record = match self.complete(&call, &bucket, &input).await {
            Err(error) if error.code() == "NoSuchUpload" => {
                let completed = self.completed(&bucket, &input).await?;
                completed.ok_or(error)?
            }
            completed => completed?,
        };
        let mut output = CompleteMultipartUploadOutput {
            location: Some(location::of(&call.endpoint, &input.bucket, &input.key)),
            e_tag: Some(record.quoted_etag()),
            version_id: version_shown(&bucket, &record),
            expiration: expiration(&bucket, &input.key, &record),
            bucket: Some(input.bucket),
            key: Some(input.key),
            ..Default::default()
        };
        encryption!(output, &record.manner.encryption);
        if let Some(sum) = &record.checksum {
            show!(output, sum);
            output.checksum_type = Some(sum.scope());
        }
        Ok(output)
    }
}

impl S3 {
    /// Makes an object of an upload's parts, and returns once that is on disk.
    async fn complete(
        &self,
        call: &Call,
        bucket: &BucketRow,
        input: &CompleteMultipartUploadRequest,
    ) -> Result<Record, AwsError> {
        let upload = self.store.settled_upload(bucket.id, &input.key, &input.upload_id).await?;
        if input.sse_customer_key.is_some() {
            of_part(&upload.manner.encryption, &key::own_key!(input))?; // it may be left out here
        }
        let said = given!(input)?;
        refuse_other_scope(&upload, input.checksum_type)?;
        let listed = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref());
        let listed = listed.filter(|parts| !parts.is_empty()).ok_or_else(refusal::malformed_xml)?;
        let conditions = WriteConditions {
            if_match: input.if_match.clone(),
            if_none_match: input.if_none_match.clone(),
        };
        let (ledger, cause) = (&self.doors.ledger, Cause::Caller(call));
        let happening = Happening::CompleteMultipartUpload;
        let changed = self.store.change(ledger, bucket, &input.key, call.now, |change, row| {
            conditions.check(&input.key, change.newest()?.as_ref())?;
            let there = self.store.parts_of(bucket.id, &upload.id, 0);
            let parts = chosen(&upload, listed, there.collect::<Result<_, _>>()?)?;
            let record = whole(&upload, &parts)?;
            refuse_other(&record, said.as_ref(), input.mpu_object_size)?;
            let segments: Vec<Segment> = parts.into_iter().flat_map(|part| part.segments).collect();
            let replication = self.copies_of(row, &input.key, &record);
            let record = Record { replication, ..record };
            let record = change.finish_upload(row.versioning, &upload.id, record, segments)?;
            let staged = self.tell(change, row, (&record, happening, cause));
            Ok((record, staged))
        });
        let (record, staged) = self.store.settled(changed).await?;
        self.send(staged);
        self.store.sync().await?;
        self.meter(call, bucket, Class::of_write(&record));
        Ok(record)
    }

    /// What the same request made already: who lost its answer asks again.
    async fn completed(
        &self,
        bucket: &BucketRow,
        input: &CompleteMultipartUploadRequest,
    ) -> Result<Option<Record>, AwsError> {
        let found = self.store.completed(bucket.id, &input.key, &input.upload_id);
        let found = self.store.seen(Sight::of_key(bucket.id, &input.key), found).await?;
        let listed = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref());
        let tags = listed.unwrap_or_default().iter().filter_map(|part| part.e_tag.as_deref());
        let tag = tag_of(tags.map(|tag| tag.trim_matches('"')));
        Ok(found.filter(|record| record.etag == tag))
    }
}

/// The object's checksum is of the bytes or of the parts' checksums, as was said at the begin.
fn refuse_other_scope(upload: &UploadRecord, asked: Option<ChecksumType>) -> Result<(), AwsError> {
    let Some(begun) = scope_of(upload) else { return Ok(()) };
    match asked.is_some_and(|asked| asked != begun) {
        true => Err(refusal::invalid_request(format!(
            "The upload was created using the {begun} checksum mode. The complete request must \
             use the same checksum mode."
        ))),
        false => Ok(()),
    }
}

/// The parts that a request lists, out of those that are there.
fn chosen(
    upload: &UploadRecord,
    listed: &[CompletedPart],
    there: Vec<PartRecord>,
) -> Result<Vec<PartRecord>, AwsError> {
    let mut chosen: Vec<PartRecord> = Vec::new();
    let mut there = there.into_iter().peekable();
    for part in listed {
        let number = part.part_number.ok_or_else(refusal::malformed_xml)?;
        if chosen.last().is_some_and(|last| last.number >= number) {
            let text = "The list of parts was not in ascending order. The parts list must be \
                        specified in order by part number.";
            return Err(AwsError::new("InvalidPartOrder", 400, text));
        }
        while there.next_if(|found| found.number < number).is_some() {}
        let found = there.next_if(|found| found.number == number);
        let etag = part.e_tag.as_deref().unwrap_or_default().trim_matches('"');
        let found = found.filter(|found| found.etag == etag);
        let found = found.ok_or_else(|| invalid_part(number, etag))?;
        let (given, sum) = (given!(part)?, found.checksum.as_ref());
        if let (true, None, Some(kind)) = (upload.is_composite, &given, upload.kind) {
            return Err(without_sum(kind, number));
        }
        if let (Some((kind, value)), Some(sum)) = (given, sum)
            && (sum.kind != kind || sum.value != value)
        {
            return Err(invalid_part(number, etag));
        }
        chosen.push(found);
    }
    let small = chosen.split_last().and_then(|(_, rest)| rest.iter().find(|p| p.size < PART_MIN));
    match small {
        Some(part) => {
            let text = "Your proposed upload is smaller than the minimum allowed size";
            Err(AwsError::new("EntityTooSmall", 400, text)
                .element("ProposedSize", part.size.to_string())
                .element("MinSizeAllowed", PART_MIN.to_string())
                .element("PartNumber", part.number.to_string())
                .element("ETag", &part.etag))
        }
        None => Ok(chosen),
    }
}

fn without_sum(kind: Kind, number: i32) -> AwsError {
    refusal::invalid_request(format!(
        "The upload was created using a {} checksum. The complete request must include the \
         checksum for each part. It was missing for part {number} in the request.",
        kind.name().to_lowercase(),
    ))
}

fn invalid_part(number: i32, etag: &str) -> AwsError {
    let text = "One or more of the specified parts could not be found.  The part may not have \
                been uploaded, or the specified entity tag may not match the part's entity tag.";
    AwsError::new("InvalidPart", 400, text)
        .element("PartNumber", number.to_string())
        .element("ETag", etag)
}

/// The object that parts make: its tag is that of their tags, with their count.
fn whole(upload: &UploadRecord, parts: &[PartRecord]) -> Result<Record, AwsError> {
    let size: u64 = parts.iter().map(|part| part.size).sum();
    if size > OBJECT_MAX {
        let text = "Your proposed upload exceeds the maximum allowed object size.";
        return Err(AwsError::new("EntityTooLarge", 400, text));
    }
    Ok(Record {
        size,
        etag: tag_of(parts.iter().map(|part| &*part.etag)),
        checksum: checksum(upload, parts),
        parts: parts.iter().map(PartRecord::remembered).collect(),
        manner: upload.manner.clone(),
        ..Record::default()
    })
}

/// The tag of an object by those of its parts.
fn tag_of<'a>(tags: impl Iterator<Item = &'a str>) -> String {
    let (mut sum, mut count) = (Md5::new(), 0);
    for tag in tags {
        sum.update(bytes_of(tag));
        count += 1;
    }
    let sum: [u8; 16] = sum.finalize().into();
    format!("{}-{count}", hex(&sum))
}

fn checksum(upload: &UploadRecord, parts: &[PartRecord]) -> Option<Checksum> {
    let kind = upload.kind.unwrap_or(Kind::OWN);
    let sums = parts.iter().map(|part| {
        let sum = part.checksum.as_ref().filter(|sum| sum.kind == kind);
        let own = part.own.as_ref().filter(|_| kind == Kind::OWN);
        Some((sum.map(|sum| &sum.value).or(own)?.clone(), part.size))
    });
    let sums: Vec<(String, u64)> = sums.collect::<Option<_>>()?;
    match upload.is_composite {
        true => Some(Checksum::composed(kind, &sums)),
        false => Checksum::joined(kind, &sums),
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).filter_map(digit).collect()
}

/// Refuses an object that is not what its sender says.
fn refuse_other(
    record: &Record,
    said: Option<&(Kind, String)>,
    size: Option<i64>,
) -> Result<(), AwsError> {
    if size.is_some_and(|size| u64::try_from(size) != Ok(record.size)) {
        let text = "The provided 'x-amz-mp-object-size' header value does not match what was \
                    computed.";
        return Err(refusal::invalid_request(text));
    }
    match (said, &record.checksum) {
        (Some((kind, value)), Some(sum)) if sum.kind == *kind => {
            let same = sum.value == *value
                || sum.value.split_once('-').is_some_and(|(bare, _)| bare == value);
            if same { Ok(()) } else { Err(bad_digest(*kind)) }
        }
        (Some((kind, _)), Some(sum)) => Err(other_kind(sum.kind, *kind)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: i32, size: u64) -> PartRecord {
        PartRecord {
            number,
            size,
            etag: "9a0364b9e99bb480dd25e1f0284c8555".to_owned(),
            checksum: None,
            own: None,
            modified_at: haar_types::Timestamp(0),
            segments: Vec::new(),
        }
    }

    fn listed(number: i32) -> CompletedPart {
        let e_tag = Some("\"9a0364b9e99bb480dd25e1f0284c8555\"".to_owned());
        CompletedPart { part_number: Some(number), e_tag, ..Default::default() }
    }

    #[test]
    fn parts_must_ascend_be_there_and_be_large_enough_but_the_last() {
        let there = || vec![part(1, PART_MIN), part(3, 7), part(9, 1)];
        let code = |numbers: &[i32]| {
            let listed: Vec<_> = numbers.iter().map(|number| listed(*number)).collect();
            chosen(&UploadRecord::default(), &listed, there())
                .map(|all| all.len())
                .map_err(|error| error.code().to_owned())
        };
        assert_eq!(code(&[1, 3]), Ok(2));
        assert_eq!(code(&[3, 1]), Err("InvalidPartOrder".to_owned()));
        assert_eq!(code(&[1, 2]), Err("InvalidPart".to_owned()));
        assert_eq!(code(&[1, 3, 9]), Err("EntityTooSmall".to_owned()));
    }
}
