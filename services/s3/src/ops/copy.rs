//! `CopyObject`: large objects are not copied at all, two records name the same blobs.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    CopyObject, CopyObjectOutput, CopyObjectRequest, CopyObjectResult, MetadataDirective,
    TaggingDirective,
};
use haar_types::hex;
use haar_wire::AwsError;

use super::manner::{Said, check_key, said};
use super::put::Incoming;
use crate::S3;
use crate::checksum::{Kind, show};
use crate::customer::{Brought, CustomerKey, Seal};
use crate::lookup::version_shown;
use crate::notices::Happening;
use crate::reading::Version;
use crate::refusal;
use crate::render::{customer_key, encryption, expiration};
use crate::rules::archive::{not_active, refuse_archived};
use crate::rules::condition::{Conditions, WriteConditions};
use crate::rules::copy_source::CopySource;
use crate::rules::customer_key as key;
use crate::rules::integrity::Wanted;
use crate::rules::range::ByteRange;
use crate::spool::{body_of, hash_of};
use crate::state::BucketRow;
use crate::store::{Held, Manner, Place, Record, Sight};

/// How often a copy is begun whose source is overwritten meanwhile. *Ours*.
const TRIES: u32 = 16;
/// Most bytes of one copy.
const COPY_MAX: u64 = 5 << 30;

/// What a copy is made of.
pub(super) struct Original {
    pub(super) bucket: Arc<BucketRow>,
    pub(super) key: String,
    pub(super) version_id: Option<String>,
    pub(super) record: Record,
}

impl Original {
    /// With the customer's key that opens it.
    pub(super) fn version<'a>(&'a self, opener: Option<&'a CustomerKey>) -> Version<'a> {
        Version { bucket: self.bucket.id, key: &self.key, record: &self.record, opener }
    }
}

/// AWS docs: *Amazon S3 API Reference > CopyObject*.
impl Flow<CopyObject> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: CopyObjectRequest) -> Answer<CopyObject> {
        let mut tries = Tries::default();
        loop {
            let bucket = self.bucket(&input.bucket)?;
            check_key(&input.key)?;
            let owner = input.expected_source_bucket_owner.as_deref();
            let original = self.original(&input.copy_source, owner).await?; // gone for good
            let copied = self.copy(&call, &input, (&bucket, &original)).await;
            if !tries.again(&copied) {
                return copied;
            }
        }
    }
}

/// How often a copy was begun whose source may be overwritten while it is read.
#[derive(Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Whether to begin once more: there is another source to copy then.
    pub(super) fn again<O>(&mut self, copied: &Result<O, AwsError>) -> bool {
        self.0 += 1;
        self.0 < TRIES && copied.as_ref().err().is_some_and(is_overtaken)
    }
}

/// Whether the source of a copy went while it was read; whether for good, the next look tells.
fn is_overtaken(error: &AwsError) -> bool {
    matches!(error.code(), "NoSuchKey" | "InternalFailure")
}

impl S3 {
    async fn copy(
        &self,
        call: &Call,
        input: &CopyObjectRequest,
        (bucket, original): (&BucketRow, &Original),
    ) -> Answer<CopyObject> {
        let conditions = Conditions {
            if_match: input.copy_source_if_match.as_deref(),
            if_none_match: input.copy_source_if_none_match.as_deref(),
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        conditions.check_copy(&original.record)?;
        refuse_large(&original.record)?;
        refuse_pointless(input, bucket, original)?;
        let opener = self.opener(call, &original.record, &key::source_key!(input))?;
        let key = key::Said { other: input.server_side_encryption, ..key::own_key!(input) };
        let brought = self.brought_key(call, (bucket, &input.key), &key)?;
        let seal = brought.as_ref().map(|brought| brought.seal.clone());
        let manner = manner(call, bucket, (input, seal), &original.record)?;
        let kind = input.checksum_algorithm.map(Kind::of).transpose()?;
        let (mut record, held) = match opener.is_some() || brought.is_some() {
            true => self.recoded(original, manner, kind, (opener.as_ref(), &brought)).await?,
            false => (
                self.copied(original, manner, kind).await?,
                self.store.held(original.bucket.id, &original.key, &original.record)?,
            ),
        };
        record.bytes = Place::Nowhere;
        let conditions = WriteConditions {
            if_match: input.if_match.clone(),
            if_none_match: input.if_none_match.clone(),
        };
        let new = Incoming {
            bucket,
            key: &input.key,
            record,
            held,
            conditions: &conditions,
            happening: Happening::Copy,
        };
        let record = self.put_copy(call, new, original).await?;
        let mut result = CopyObjectResult {
            e_tag: Some(record.quoted_etag()),
            last_modified: Some(record.modified_at),
            ..Default::default()
        };
        if let Some(sum) = &record.checksum {
            show!(result, sum);
            result.checksum_type = Some(sum.scope());
        }
        let mut output = CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: version_shown(&original.bucket, &original.record),
            version_id: version_shown(bucket, &record),
            expiration: expiration(bucket, &input.key, &record),
            ..Default::default()
        };
        encryption!(with context output, &record.manner.encryption);
        customer_key!(output, brought.as_ref().map(|brought| &brought.key));
        Ok(output)
    }

    /// The object that `x-amz-copy-source` names.
    pub(super) async fn original(
        &self,
        source: &str,
        expected_owner: Option<&str>,
    ) -> Result<Original, AwsError> {
        let source = CopySource::read(source)?;
        let bucket = self.bucket(&source.bucket)?;
        if expected_owner.is_some_and(|owner| owner != bucket.account.to_string()) {
            return Err(refusal::access_denied());
        }
        let version_id = source.version_id.as_deref();
        let record = match self.settled_object(&bucket, &source.key, version_id, "GET").await {
            Err(error) if error.code() == "MethodNotAllowed" => {
                let text = "The source of a copy request may not specifically refer to a delete \
                            marker by version id.";
                return Err(refusal::invalid_request(text));
            }
            found => found?,
        };
        let class = record.manner.headers.storage_class;
        refuse_archived(class, record.restore, self.doors.clock.now()).map_err(|_| not_active())?;
        Ok(Original { bucket, key: source.key, version_id: source.version_id, record })
    }

    /// The record of a copy: one object again, also of what was uploaded in parts. Bytes are read
    /// only where a hash is missing.
    async fn copied(
        &self,
        original: &Original,
        manner: Manner,
        kind: Option<Kind>,
    ) -> Result<Record, AwsError> {
        let old = &original.record;
        let usual = old.checksum.as_ref().map(|sum| sum.kind);
        let kind = kind.or(usual).unwrap_or(Kind::OWN);
        let is_whole = old.parts.is_empty();
        let known = old.checksum.as_ref().filter(|sum| sum.kind == kind && !sum.is_composite);
        let (etag, checksum) = match (is_whole, known) {
            (true, Some(sum)) => (old.etag.clone(), sum.clone()),
            _ => {
                let all = ByteRange::all(old.size);
                let pieces = self.pieces(original.version(None), all)?;
                let (md5, sum) = hash_of(pieces, kind).await?;
                (hex(&md5), sum)
            }
        };
        Ok(Record { size: old.size, etag, checksum: Some(checksum), manner, ..Record::default() })
    }

    /// The same where a customer's key locks the source, the copy or both: bytes are read, and
    /// kept anew.
    async fn recoded(
        &self,
        original: &Original,
        manner: Manner,
        kind: Option<Kind>,
        (opener, brought): (Option<&CustomerKey>, &Option<Brought>),
    ) -> Result<(Record, Held), AwsError> {
        let old = &original.record;
        let pieces = self.pieces(original.version(opener), ByteRange::all(old.size))?;
        let usual = kind.or(old.checksum.as_ref().map(|sum| sum.kind));
        let wanted = Wanted { usual, ..Wanted::default() };
        let (length, sealing) = (i64::try_from(old.size).ok(), brought.as_ref());
        let sealing = sealing.map(Brought::sealing);
        let spooled = self.spool(body_of(pieces), length, &wanted, sealing).await?;
        let record = Record {
            size: spooled.size,
            etag: spooled.etag.clone(),
            checksum: Some(spooled.checksum.clone()),
            manner,
            ..Record::default()
        };
        Ok((record, spooled.keep().await?))
    }

    /// Puts a copy in. Its source must still be there once no sweep can take the blobs that both
    /// will hold.
    async fn put_copy(
        &self,
        call: &Call,
        new: Incoming<'_>,
        original: &Original,
    ) -> Result<Record, AwsError> {
        if let Held::Blobs(segments) = &new.held {
            for segment in segments {
                self.doors.blobs.touch(&segment.digest);
            }
        }
        let (id, key) = (original.bucket.id, &original.key);
        let found = self.store.find(id, key, Some(original.record.shown_id()))?;
        if found.is_none_or(|found| found.sequence != original.record.sequence) {
            let gone = Err(refusal::no_such_key(key));
            return self.store.seen(Sight::of_key(id, key), gone).await;
        }
        self.put(call, new).await
    }
}

fn refuse_large(record: &Record) -> Result<(), AwsError> {
    match record.size > COPY_MAX {
        true => {
            let text = "The specified copy source is larger than the maximum allowable size for \
                        a copy source: 5368709120";
            Err(refusal::invalid_request(text))
        }
        false => Ok(()),
    }
}

/// A copy onto itself must change something.
fn refuse_pointless(
    input: &CopyObjectRequest,
    bucket: &BucketRow,
    original: &Original,
) -> Result<(), AwsError> {
    let is_same = original.bucket.id == bucket.id
        && original.key == input.key
        && original.version_id.is_none();
    let changes = input.metadata_directive == Some(MetadataDirective::Replace)
        || input.tagging_directive == Some(TaggingDirective::Replace)
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some()
        || input.sse_customer_algorithm.is_some()
        || input.copy_source_sse_customer_algorithm.is_some()
        || input.checksum_algorithm.is_some();
    match is_same && !changes {
        true => Err(refusal::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself \
             without changing the object's metadata, storage class, website redirect location or \
             encryption attributes.",
        )),
        false => Ok(()),
    }
}

/// What the copy says of itself: its own words, or the source's.
fn manner(
    call: &Call,
    bucket: &BucketRow,
    (input, seal): (&CopyObjectRequest, Option<Seal>),
    source: &Record,
) -> Result<Manner, AwsError> {
    let mut said = Said { seal, ..said!(*input) };
    let replaces = input.metadata_directive == Some(MetadataDirective::Replace);
    if !replaces {
        let (class, redirect) =
            (said.headers.storage_class, said.headers.website_redirect_location.take());
        said.headers = source.manner.headers.clone();
        said.headers.storage_class = class;
        said.headers.website_redirect_location = redirect;
    }
    let replaces_tags = input.tagging_directive == Some(TaggingDirective::Replace);
    if !replaces_tags {
        said.tagging = None;
    }
    let mut manner = said.manner(call, bucket)?;
    if !replaces_tags {
        manner.tags = source.manner.tags.clone();
    }
    Ok(manner)
}
