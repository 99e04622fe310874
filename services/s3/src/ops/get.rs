//! `GetObject` and `HeadObject`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_policy::Principal;
use haar_s3_contract::model::{
    GetObject, GetObjectOutput, GetObjectRequest, GetObjectTorrent, GetObjectTorrentRequest,
    HeadObject, HeadObjectOutput, HeadObjectRequest,
};
use haar_wire::AwsError;

use crate::S3;
use crate::checksum::Checksum;
use crate::metering::Class;
use crate::reading::Version;
use crate::refusal;
use crate::render::{customer_key, describe};
use crate::rules::archive::refuse_archived;
use crate::rules::condition::Conditions;
use crate::rules::customer_key::own_key;
use crate::rules::range::{self, ByteRange};
use crate::state::BucketRow;
use crate::store::{Record, Sight};

/// Whoever does not sign may not say what headers an answer has: a link to a public object would
/// show it as a page.
macro_rules! refuse_unsigned_wishes {
    ($call:expr, $input:expr) => {
        let wishes = [
            $input.response_cache_control.is_some(),
            $input.response_content_disposition.is_some(),
            $input.response_content_encoding.is_some(),
            $input.response_content_language.is_some(),
            $input.response_content_type.is_some(),
            $input.response_expires.is_some(),
        ];
        if wishes.contains(&true) && $call.principal.identity == Principal::Anonymous {
            return Err(refusal::invalid_request(
                "Request specific response headers cannot be used for anonymous GET requests.",
            ));
        }
    };
}

/// AWS docs: *Amazon S3 API Reference > GetObject*.
impl Flow<GetObject> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: GetObjectRequest) -> Answer<GetObject> {
        check_mode(input.checksum_mode.as_deref())?;
        refuse_unsigned_wishes!(call, input);
        let bucket = self.bucket(&input.bucket)?;
        self.meter(&call, &bucket, Class::Read);
        let sight = Sight::of_key(bucket.id, &input.key);
        let read = || self.read_object(&call, &bucket, &input);
        let found = match read() {
            // Somebody may have written between the record and the bytes beside it.
            Err(error) if error.status() >= 500 => {
                let read = self.store.alone(bucket.id, &input.key, read);
                read.inspect_err(|error| tracing::warn!(%error, "an object was not read"))
            }
            found => found,
        };
        self.store.seen(sight, found).await
    }
}

impl S3 {
    fn read_object(
        &self,
        call: &Call,
        bucket: &BucketRow,
        input: &GetObjectRequest,
    ) -> Answer<GetObject> {
        let version_id = input.version_id.as_deref();
        let record = self.object(bucket, &input.key, version_id, "GET")?;
        let opener = self.opener(call, &record, &own_key!(input))?;
        let conditions = Conditions {
            if_match: input.if_match.as_deref(),
            if_none_match: input.if_none_match.as_deref(),
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        conditions.check_read(&record)?;
        refuse_archived(record.manner.headers.storage_class, record.restore, call.now)?;
        let wanted = wanted(&record, input.range.as_deref(), input.part_number)?;
        self.meter_retrieval(bucket, &record, wanted.range.length);
        let (key, opener) = (&input.key, opener.as_ref());
        let version = Version { bucket: bucket.id, key, record: &record, opener };
        let mut output = GetObjectOutput {
            body: self.body(version, wanted.range)?,
            content_length: i64::try_from(wanted.range.length).ok(),
            content_range: wanted.shown(&record),
            parts_count: wanted.parts_count,
            tag_count: tag_count(&record),
            ..Default::default()
        };
        let checksum = checksum(&record, &wanted).filter(|_| input.checksum_mode.is_some());
        describe!(output, bucket, &input.key, &record, checksum);
        customer_key!(output, opener);
        output.restore = record.restore.and_then(|restore| restore.shown(call.now));
        overwrite(&mut output.cache_control, input.response_cache_control.clone());
        overwrite(&mut output.content_disposition, input.response_content_disposition.clone());
        overwrite(&mut output.content_encoding, input.response_content_encoding.clone());
        overwrite(&mut output.content_language, input.response_content_language.clone());
        overwrite(&mut output.content_type, input.response_content_type.clone());
        overwrite(&mut output.expires, input.response_expires.map(crate::render::http_date));
        Ok(output)
    }
}

/// AWS docs: *Amazon S3 API Reference > HeadObject*.
impl Flow<HeadObject> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: HeadObjectRequest) -> Answer<HeadObject> {
        check_mode(input.checksum_mode.as_deref())?;
        refuse_unsigned_wishes!(call, input);
        let bucket = self.bucket(&input.bucket)?;
        self.meter(&call, &bucket, Class::Read);
        let sight = Sight::of_key(bucket.id, &input.key);
        let found = self.describe_object(&call, &bucket, input);
        self.store.seen(sight, found).await
    }
}

impl S3 {
    fn describe_object(
        &self,
        call: &Call,
        bucket: &BucketRow,
        input: HeadObjectRequest,
    ) -> Answer<HeadObject> {
        let version_id = input.version_id.as_deref();
        let record = self.object(bucket, &input.key, version_id, "HEAD")?;
        let opener = self.opener(call, &record, &own_key!(input))?;
        let conditions = Conditions {
            if_match: input.if_match.as_deref(),
            if_none_match: input.if_none_match.as_deref(),
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        conditions.check_read(&record)?;
        let wanted = wanted(&record, input.range.as_deref(), input.part_number)?;
        let mut output = HeadObjectOutput {
            content_length: i64::try_from(wanted.range.length).ok(),
            content_range: wanted.shown(&record),
            parts_count: wanted.parts_count,
            tag_count: tag_count(&record),
            ..Default::default()
        };
        let checksum = checksum(&record, &wanted).filter(|_| input.checksum_mode.is_some());
        describe!(output, bucket, &input.key, &record, checksum);
        customer_key!(output, opener.as_ref());
        output.restore = record.restore.and_then(|restore| restore.shown(call.now));
        overwrite(&mut output.cache_control, input.response_cache_control);
        overwrite(&mut output.content_disposition, input.response_content_disposition);
        overwrite(&mut output.content_encoding, input.response_content_encoding);
        overwrite(&mut output.content_language, input.response_content_language);
        overwrite(&mut output.content_type, input.response_content_type);
        Ok(output)
    }
}

/// There is no more BitTorrent in Amazon S3. *Ours*: the refusal.
impl Flow<GetObjectTorrent> for S3 {
    async fn flow(
        self: Arc<Self>,
        _call: Call,
        input: GetObjectTorrentRequest,
    ) -> Answer<GetObjectTorrent> {
        self.bucket(&input.bucket)?;
        Err(refusal::method_not_allowed("GET", "TORRENT"))
    }
}

fn overwrite(slot: &mut Option<String>, text: Option<String>) {
    if text.is_some() {
        *slot = text;
    }
}

fn tag_count(record: &Record) -> Option<i32> {
    let count = i32::try_from(record.manner.tags.len()).unwrap_or(i32::MAX);
    (count > 0).then_some(count)
}

/// Which bytes are read.
struct Read {
    range: ByteRange,
    /// The request names a range or a part.
    is_part: bool,
    /// It named a range.
    is_range: bool,
    /// Which of the object's parts it named.
    part: Option<usize>,
    parts_count: Option<i32>,
}

impl Read {
    fn shown(&self, record: &Record) -> Option<String> {
        (self.is_part && self.range.length > 0).then(|| self.range.shown(record.size))
    }
}

/// Refuses a checksum mode that is no word for `ENABLED`, which AWS reads in any case: its C++ SDK
/// writes small letters.
fn check_mode(mode: Option<&str>) -> Result<(), AwsError> {
    match mode {
        Some(text) if !text.eq_ignore_ascii_case("ENABLED") => {
            Err(refusal::invalid_request("Value for x-amz-checksum-mode header is invalid."))
        }
        _ => Ok(()),
    }
}

/// The checksum of what is read: a part of an object has its own where the object's is of the
/// parts', else none; a range has none.
fn checksum<'a>(record: &'a Record, read: &Read) -> Option<&'a Checksum> {
    let whole = record.checksum.as_ref()?;
    match read.part {
        _ if read.is_range => None,
        Some(at) if whole.is_composite => record.parts.get(at)?.checksum.as_ref(),
        Some(_) if record.parts.len() > 1 => None,
        _ => Some(whole),
    }
}

fn wanted(record: &Record, range: Option<&str>, part: Option<i32>) -> Result<Read, AwsError> {
    match (range, part) {
        (Some(_), Some(_)) => {
            let text = "Cannot specify both Range header and partNumber query parameter";
            Err(refusal::invalid_request(text))
        }
        (None, Some(number)) => of_part(record, number),
        (range, None) => {
            let cut = range.map(|header| range::read(header, record.size)).transpose()?.flatten();
            Ok(Read {
                range: cut.unwrap_or_else(|| ByteRange::all(record.size)),
                is_part: cut.is_some(),
                is_range: cut.is_some(),
                part: None,
                parts_count: None,
            })
        }
    }
}

/// One of the parts that an object was uploaded in; any other object is its own first part.
fn of_part(record: &Record, number: i32) -> Result<Read, AwsError> {
    if !(1..=10_000).contains(&number) {
        let text = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(refusal::invalid_argument(text, "partNumber", &number.to_string()));
    }
    let missing =
        || AwsError::new("InvalidPartNumber", 416, "The requested partnumber is not satisfiable");
    if record.parts.is_empty() {
        let range = ByteRange::all(record.size);
        return match number {
            1 => Ok(Read { range, is_part: true, is_range: false, part: None, parts_count: None }),
            _ => Err(missing()),
        };
    }
    let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
    let part = record.parts.get(at).ok_or_else(missing)?;
    let from = record.parts[..at].iter().map(|part| part.size).sum();
    Ok(Read {
        range: ByteRange { from, length: part.size },
        is_part: true,
        is_range: false,
        part: Some(at),
        parts_count: i32::try_from(record.parts.len()).ok(),
    })
}
