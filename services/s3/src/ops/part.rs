//! Parts: `UploadPart` and `UploadPartCopy`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    CopyPartResult, UploadPart, UploadPartCopy, UploadPartCopyOutput, UploadPartCopyRequest,
    UploadPartOutput, UploadPartRequest,
};
use haar_wire::{AwsError, Body};

use super::copy::{Original, Tries};
use crate::S3;
use crate::checksum::{Kind, given, show};
use crate::customer::{CustomerKey, Sealing, draw, of_part};
use crate::lookup::version_shown;
use crate::metering::Class;
use crate::refusal;
use crate::render::{customer_key, encryption};
use crate::rules::condition::Conditions;
use crate::rules::customer_key::{Said, own_key, source_key};
use crate::rules::integrity::Wanted;
use crate::rules::range::{self, ByteRange};
use crate::spool::body_of;
use crate::state::BucketRow;
use crate::store::{PartRecord, Record, UploadRecord};

/// Where a part goes.
struct Target<'a> {
    bucket: &'a BucketRow,
    key: &'a str,
    upload: UploadRecord,
    number: i32,
}

/// A part's bytes, how many there are, and what is said of them.
struct Arriving {
    body: Body,
    length: Option<i64>,
    wanted: Wanted,
}

impl Flow<UploadPart> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: UploadPartRequest) -> Answer<UploadPart> {
        let bucket = self.bucket(&input.bucket)?;
        let target = Target {
            bucket: &bucket,
            key: &input.key,
            upload: self.store.settled_upload(bucket.id, &input.key, &input.upload_id).await?,
            number: part_number(input.part_number)?,
        };
        let key = self.key_of_part(&call, &target, &own_key!(input))?;
        let wanted = Wanted {
            content_md5: input.content_md5.clone(),
            given: given!(input)?,
            algorithm: input.checksum_algorithm,
            usual: target.upload.kind,
            also_own: target.upload.kind.is_none(),
        };
        let arriving = Arriving { body: input.body, length: input.content_length, wanted };
        let part = self.take_part(&call, &target, arriving, key.as_ref()).await?;
        let mut output =
            UploadPartOutput { e_tag: Some(format!("\"{}\"", part.etag)), ..Default::default() };
        encryption!(output, &target.upload.manner.encryption);
        customer_key!(output, key.as_ref());
        if let Some(sum) = &part.checksum {
            show!(output, sum);
        }
        Ok(output)
    }
}

impl Flow<UploadPartCopy> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: UploadPartCopyRequest,
    ) -> Answer<UploadPartCopy> {
        let mut tries = Tries::default();
        loop {
            let bucket = self.bucket(&input.bucket)?;
            let target = Target {
                bucket: &bucket,
                key: &input.key,
                upload: self.store.settled_upload(bucket.id, &input.key, &input.upload_id).await?,
                number: part_number(input.part_number)?,
            };
            let key = self.key_of_part(&call, &target, &own_key!(input))?;
            let owner = input.expected_source_bucket_owner.as_deref();
            let original = self.original(&input.copy_source, owner).await?;
            let copied = self.copy_part(&call, &input, (&target, key.as_ref(), &original)).await;
            if !tries.again(&copied) {
                return copied;
            }
        }
    }
}

impl S3 {
    async fn copy_part(
        &self,
        call: &Call,
        input: &UploadPartCopyRequest,
        (target, key, original): (&Target<'_>, Option<&CustomerKey>, &Original),
    ) -> Answer<UploadPartCopy> {
        let opener = self.opener(call, &original.record, &source_key!(input))?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match.as_deref(),
            if_none_match: input.copy_source_if_none_match.as_deref(),
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        conditions.check_copy(&original.record)?;
        let range = copied_range(&original.record, input.copy_source_range.as_deref())?;
        let pieces = self.pieces(original.version(opener.as_ref()), range)?;
        let wanted = Wanted { usual: target.upload.kind, ..Wanted::default() };
        let length = i64::try_from(range.length).ok();
        let arriving = Arriving { body: body_of(pieces), length, wanted };
        let part = self.take_part(call, target, arriving, key).await?;
        let mut result = CopyPartResult {
            e_tag: Some(format!("\"{}\"", part.etag)),
            last_modified: Some(part.modified_at),
            ..Default::default()
        };
        if let Some(sum) = part.checksum.as_ref().filter(|_| target.upload.kind.is_some()) {
            show!(result, sum);
        }
        let mut output = UploadPartCopyOutput {
            copy_source_version_id: version_shown(&original.bucket, &original.record),
            copy_part_result: Some(result),
            ..Default::default()
        };
        encryption!(output, &target.upload.manner.encryption);
        customer_key!(output, key);
        Ok(output)
    }
}

fn part_number(number: i32) -> Result<i32, AwsError> {
    match (1..=10_000).contains(&number) {
        true => Ok(number),
        false => {
            let text = "Part number must be an integer between 1 and 10000, inclusive";
            Err(refusal::invalid_argument(text, "partNumber", &number.to_string()))
        }
    }
}

/// Here a range must be whole and lie within the source.
fn copied_range(record: &Record, header: Option<&str>) -> Result<ByteRange, AwsError> {
    let Some(header) = header else { return Ok(ByteRange::all(record.size)) };
    let ends = header.strip_prefix("bytes=").and_then(|text| text.split_once('-'));
    let ends = ends
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    let Some((_, last)) = ends.filter(|(first, last)| first <= last) else {
        let text = "The x-amz-copy-source-range value must be of the form bytes=first-last where \
                    first and last are the zero-based offsets of the first and last bytes to copy";
        return Err(refusal::invalid_argument(text, "x-amz-copy-source-range", header));
    };
    if last >= record.size {
        let text =
            format!("Range specified is not valid for source object of size: {}", record.size);
        return Err(refusal::invalid_argument(&text, "x-amz-copy-source-range", header));
    }
    Ok(range::read(header, record.size)?.unwrap_or_else(|| ByteRange::all(record.size)))
}

impl S3 {
    /// The customer's key that a part is locked with.
    fn key_of_part(
        &self,
        call: &Call,
        target: &Target<'_>,
        said: &Said<'_>,
    ) -> Result<Option<CustomerKey>, AwsError> {
        let key = of_part(&target.upload.manner.encryption, said)?;
        if key.is_some() {
            self.refuse_open_line(call)?;
        }
        Ok(key)
    }

    /// Takes a part in, and returns once it is on disk.
    async fn take_part(
        &self,
        call: &Call,
        target: &Target<'_>,
        arriving: Arriving,
        opener: Option<&CustomerKey>,
    ) -> Result<PartRecord, AwsError> {
        let Arriving { body, length, wanted } = arriving;
        let computed = wanted.kind(body.trailers())?;
        refuse_other_kind(&target.upload, computed)?;
        let sealing = opener.map(|key| Sealing { key, nonce: draw(&self.doors.ids) });
        let spooled = self.spool(body, length, &wanted, sealing).await?;
        let part = PartRecord {
            number: target.number,
            size: spooled.size,
            etag: spooled.etag.clone(),
            checksum: Some(spooled.checksum.clone()),
            own: spooled.own.clone(),
            modified_at: self.doors.clock.now(),
            segments: spooled.keep_as_blob(self).await?,
        };
        let ledger = &self.doors.ledger;
        let (bucket, key) = (target.bucket, target.key);
        let changed = self.store.change(ledger, bucket, key, call.now, |change, _| {
            change.put_part(&target.upload.id, &part)
        });
        self.store.settled(changed).await?;
        self.store.sync().await?;
        self.meter(call, bucket, Class::Write);
        Ok(part)
    }
}

/// Parts have the kind of checksum that their upload announced.
fn refuse_other_kind(upload: &UploadRecord, kind: Kind) -> Result<(), AwsError> {
    match upload.kind {
        Some(announced) if announced != kind => Err(other_kind(announced, kind)),
        _ => Ok(()),
    }
}

/// A checksum of another kind than the upload's.
pub(super) fn other_kind(announced: Kind, kind: Kind) -> AwsError {
    refusal::invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        announced.name().to_lowercase(),
        kind.name().to_lowercase(),
    ))
}
