//! Uploads in parts.

use haar_types::{AccountId, Timestamp, hex};
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use super::{Change, Held, Manner, PartOf, Record, Segment, Sight, Store, decode, encode, place};
use crate::checksum::{Checksum, Kind};
use crate::refusal;
use crate::store::change::Versioning;

/// An upload that is under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) id: String,
    pub(crate) initiated_at: Timestamp,
    /// Who began it: an account, and the caller's ARN.
    pub(crate) initiator: (AccountId, String),
    pub(crate) manner: Manner,
    /// The kind that its parts' checksums have.
    pub(crate) kind: Option<Kind>,
    /// The object's checksum is one of its parts' checksums.
    pub(crate) is_composite: bool,
}

/// One part that arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) number: i32,
    pub(crate) size: u64,
    /// MD5, in hex.
    pub(crate) etag: String,
    pub(crate) checksum: Option<Checksum>,
    /// The checksum of S3's own kind, where the other is of another and the upload named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<String>,
    pub(crate) modified_at: Timestamp,
    pub(crate) segments: Vec<Segment>,
}

impl PartRecord {
    /// As the finished object remembers it.
    pub(crate) fn remembered(&self) -> PartOf {
        let checksum = self.checksum.clone();
        PartOf { number: self.number, size: self.size, checksum }
    }
}

impl Store {
    /// An upload of a key.
    pub(crate) fn upload(
        &self,
        bucket: u64,
        key: &str,
        id: &str,
    ) -> Result<UploadRecord, AwsError> {
        let found = self.uploads.get(upload_key(&place(bucket, key), id));
        let found = found.map_err(|error| refusal::disk(&error))?;
        found.and_then(|bytes| decode(&bytes)).ok_or_else(|| refusal::no_such_upload(id))
    }

    /// The same, once it is on disk.
    pub(crate) async fn settled_upload(
        &self,
        bucket: u64,
        key: &str,
        id: &str,
    ) -> Result<UploadRecord, AwsError> {
        self.seen(Sight::of_key(bucket, key), self.upload(bucket, key, id)).await
    }

    /// The version of a key that an upload became.
    pub(crate) fn completed(
        &self,
        bucket: u64,
        key: &str,
        upload_id: &str,
    ) -> Result<Option<Record>, AwsError> {
        let newest = self.newest(bucket, key)?.map(Ok);
        let mut all = newest.into_iter().chain(self.older(&place(bucket, key)));
        let is_it = |record: &Record| record.upload.as_deref() == Some(upload_id);
        all.find(|found| !matches!(found, Ok(record) if !is_it(record))).transpose()
    }

    /// A name for an upload, in the order of time.
    pub(crate) fn mint_upload_id(&self, now: Timestamp) -> String {
        let mut chance = [0; 24];
        self.ids.fill(&mut chance);
        format!("{:016x}{}", self.next_sequence(now, 0), hex(&chance))
    }

    /// The parts of an upload with higher numbers than `after`, in their order.
    pub(crate) fn parts_of(
        &self,
        bucket: u64,
        upload_id: &str,
        after: i32,
    ) -> impl Iterator<Item = Result<PartRecord, AwsError>> + use<> {
        let all = part_prefix(bucket, upload_id);
        let low = [&all[..], &part_number(after + 1)].concat();
        self.parts.range(low..super::behind(&all)).filter_map(|entry| match entry {
            Ok(entry) => decode(&entry.value).map(Ok),
            Err(error) => Some(Err(refusal::disk(&error))),
        })
    }
}

impl Change<'_> {
    /// Begins an upload.
    pub(crate) fn begin_upload(&mut self, upload: &UploadRecord) {
        let at = upload_key(&self.place, &upload.id);
        self.batch.put(&self.store.uploads, at, encode(upload));
    }

    /// Puts a part in, over the one of its number.
    pub(crate) fn put_part(&mut self, upload_id: &str, part: &PartRecord) -> Result<(), AwsError> {
        self.store.upload(self.bucket, self.key, upload_id)?;
        let at = part_key(self.bucket, upload_id, part.number);
        let before = self.store.parts.get(&at).map_err(|error| refusal::disk(&error))?;
        if let Some(before) = before.and_then(|bytes| decode::<PartRecord>(&bytes)) {
            self.let_blobs_go(&before.segments, &at);
        }
        self.hold_blobs(&part.segments, &at);
        self.batch.put(&self.store.parts, at, encode(part));
        Ok(())
    }

    /// Makes an object of parts, and ends their upload.
    pub(crate) fn finish_upload(
        &mut self,
        versioning: Versioning,
        upload_id: &str,
        record: Record,
        segments: Vec<Segment>,
    ) -> Result<Record, AwsError> {
        self.end_upload(upload_id)?;
        let record = Record { upload: Some(upload_id.to_owned()), ..record };
        self.put(versioning, record, Held::Blobs(segments))
    }

    /// Removes an upload with its parts.
    pub(crate) fn end_upload(&mut self, upload_id: &str) -> Result<(), AwsError> {
        self.store.upload(self.bucket, self.key, upload_id)?;
        let parts: Vec<_> =
            self.store.parts_of(self.bucket, upload_id, 0).collect::<Result<_, _>>()?;
        for part in parts {
            let at = part_key(self.bucket, upload_id, part.number);
            self.let_blobs_go(&part.segments, &at);
            self.batch.remove(&self.store.parts, at);
        }
        self.batch.remove(&self.store.uploads, upload_key(&self.place, upload_id));
        Ok(())
    }
}

/// Where an upload stands: behind its key's place.
pub(crate) fn upload_key(place: &[u8], id: &str) -> Vec<u8> {
    [place, id.as_bytes()].concat()
}

fn part_prefix(bucket: u64, upload_id: &str) -> Vec<u8> {
    [&bucket.to_be_bytes()[..], upload_id.as_bytes(), &[0]].concat()
}

fn part_number(number: i32) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes()
}

fn part_key(bucket: u64, upload_id: &str, number: i32) -> Vec<u8> {
    [&part_prefix(bucket, upload_id)[..], &part_number(number)].concat()
}
