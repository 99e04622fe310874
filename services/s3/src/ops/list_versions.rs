//! `ListObjectVersions`.

use std::iter::Peekable;
use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_kv::{Entry, KvError, Range};
use haar_s3_contract::model::{
    DeleteMarkerEntry, ListObjectVersions, ListObjectVersionsOutput, ListObjectVersionsRequest,
    ObjectVersion, StorageClass,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::S3;
use crate::listing::{Asked, Encoding, Prefixes, count};
use crate::lookup::{canonical_id, refuse_version_id};
use crate::metering::Class;
use crate::refusal;
use crate::render::{restore_status, restores_at};
use crate::rules::acl::owner;
use crate::store::{Record, Sight, Store, behind, key_of, place, prefix, version};

/// The newest and the older versions of all keys, in the order of keys and newest first.
struct Merged {
    newest: Peekable<Range>,
    older: Peekable<Range>,
}

/// One version.
struct Seen {
    key: String,
    is_latest: bool,
    record: Record,
}

impl Merged {
    /// From a place on; `None` begins at the first key.
    fn from(store: &Store, begin: &[u8], end: &[u8]) -> Self {
        let range = begin.to_vec()..end.to_vec();
        Self {
            newest: store.objects.range(range.clone()).peekable(),
            older: store.versions.range(range).peekable(),
        }
    }

    fn next(&mut self) -> Result<Option<Seen>, AwsError> {
        let first = |side: &mut Peekable<Range>| match side.peek() {
            Some(Ok(entry)) => Some(entry.key.clone()),
            _ => None,
        };
        let is_latest = match (first(&mut self.newest), first(&mut self.older)) {
            (Some(newest), Some(older)) => newest < older,
            (None, Some(_)) => self.newest.peek().is_some(), // an error comes first
            _ => true,
        };
        let side = if is_latest { &mut self.newest } else { &mut self.older };
        let entry: Option<Result<Entry, KvError>> = side.next();
        let Some(entry) = entry.transpose().map_err(|error| refusal::disk(&error))? else {
            return Ok(None);
        };
        match Record::decode(&entry.value) {
            Some(record) => Ok(Some(Seen { key: key_of(&entry.key).0, is_latest, record })),
            None => self.next(),
        }
    }
}

/// AWS docs: *Amazon S3 API Reference > ListObjectVersions*.
impl Flow<ListObjectVersions> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ListObjectVersionsRequest,
    ) -> Answer<ListObjectVersions> {
        let bucket = self.bucket(&input.bucket)?;
        let (count, max_keys) = count(input.max_keys, "max-keys")?;
        let encoding = Encoding(input.encoding_type);
        let key_marker = input.key_marker.as_deref().filter(|text| !text.is_empty());
        let version_marker = input.version_id_marker.as_deref();
        let asked = Asked {
            bucket: bucket.id,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: key_marker,
            count,
        };
        let begin = self.begin(&asked, version_marker)?;
        let output = ListObjectVersionsOutput {
            key_marker: Some(encoding.text(key_marker.unwrap_or_default())),
            version_id_marker: Some(version_marker.unwrap_or_default().to_owned()),
            name: Some(bucket.name.clone()),
            prefix: Some(encoding.text(asked.prefix)),
            delimiter: encoding.maybe(asked.delimiter),
            max_keys: Some(max_keys),
            encoding_type: input.encoding_type,
            is_truncated: Some(false),
            ..Default::default()
        };
        let restores_at = restores_at(input.optional_object_attributes.as_deref(), call.now);
        // aside, as for `ListObjects`
        let (room, asked) = (Arc::clone(&self), asked.owned());
        let read = move || Ok(room.fill(&asked.asked(), begin, (encoding, restores_at), output));
        let filled = self.doors.kv.aside(read).await.map_err(|error| refusal::disk(&error))?;
        let output = self.store.seen(Sight::of_bucket(bucket.id), filled).await?;
        self.meter(&call, &bucket, Class::Write);
        Ok(output)
    }
}

impl S3 {
    /// Where the first version of a page stands.
    fn begin(&self, asked: &Asked<'_>, version_marker: Option<&str>) -> Result<Vec<u8>, AwsError> {
        let first = prefix(asked.bucket, asked.prefix);
        let begin = match (asked.after, version_marker.filter(|id| !id.is_empty())) {
            (None, None) => return Ok(first),
            (None, Some(id)) => {
                let text = "A version-id marker cannot be specified without a key marker.";
                return Err(refusal::invalid_argument(text, "version-id-marker", id));
            }
            (Some(key), None) => match asked.folded(key) {
                Some(folded) if folded == key => behind(&prefix(asked.bucket, key)),
                _ => behind(&place(asked.bucket, key)),
            },
            (Some(key), Some(id)) => {
                refuse_version_id(Some(id))?;
                let at = place(asked.bucket, key);
                let newest = self.store.newest(asked.bucket, key)?;
                let marker = self.store.find(asked.bucket, key, Some(id))?;
                let mut begin = match (marker, newest) {
                    (Some(marker), Some(newest)) if newest.sequence == marker.sequence => at,
                    (Some(marker), _) => version(&at, marker.sequence),
                    (None, _) => match crate::store::sequence_of(id) {
                        Some(sequence) => version(&at, sequence),
                        None => behind(&at),
                    },
                };
                begin.push(0);
                begin
            }
        };
        Ok(begin.max(first))
    }

    fn fill(
        &self,
        asked: &Asked<'_>,
        begin: Vec<u8>,
        (encoding, restores_at): (Encoding, Option<Timestamp>),
        mut output: ListObjectVersionsOutput,
    ) -> Result<ListObjectVersionsOutput, AwsError> {
        let end = behind(&prefix(asked.bucket, asked.prefix));
        let mut merged = Merged::from(&self.store, &begin, &end);
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        let mut prefixes = Prefixes::new();
        let mut last: Option<(String, Option<String>)> = None;
        while let Some(seen) = merged.next()? {
            if versions.len() + markers.len() + prefixes.len() == asked.count {
                output.is_truncated = Some(true);
                let (key, id) = last.unzip();
                output.next_key_marker = encoding.maybe(key.as_deref());
                output.next_version_id_marker = id.flatten();
                break;
            }
            if let Some(folded) = asked.folded(&seen.key) {
                let next = behind(&prefix(asked.bucket, &folded));
                merged = Merged::from(&self.store, &next, &end);
                last = Some((folded.clone(), None));
                prefixes.insert(folded);
                continue;
            }
            last = Some((seen.key.clone(), Some(seen.record.shown_id().to_owned())));
            output.row.push(match seen.record.is_marker {
                true => {
                    markers.push(marker(&seen, encoding));
                    "DeleteMarkers"
                }
                false => {
                    versions.push(object(&seen, encoding, restores_at));
                    "Versions"
                }
            });
        }
        let prefixes: Vec<String> = prefixes.into_iter().collect();
        output.common_prefixes = encoding.prefixes(&prefixes);
        output.versions = (!versions.is_empty()).then_some(versions);
        output.delete_markers = (!markers.is_empty()).then_some(markers);
        Ok(output)
    }
}

fn object(seen: &Seen, encoding: Encoding, restores_at: Option<Timestamp>) -> ObjectVersion {
    let record = &seen.record;
    let class = record.manner.headers.storage_class;
    ObjectVersion {
        e_tag: Some(record.quoted_etag()),
        checksum_algorithm: record.checksum.as_ref().map(|sum| vec![sum.kind.algorithm()]),
        checksum_type: record.checksum.as_ref().map(|sum| sum.scope()),
        size: i64::try_from(record.size).ok(),
        storage_class: Some(class.unwrap_or(StorageClass::Standard).as_str().to_owned()),
        key: Some(encoding.text(&seen.key)),
        version_id: Some(record.shown_id().to_owned()),
        is_latest: Some(seen.is_latest),
        last_modified: Some(record.modified_at),
        owner: Some(owner(canonical_id(&record.manner.owner))),
        restore_status: restores_at.and_then(|now| restore_status(record, now)),
    }
}

fn marker(seen: &Seen, encoding: Encoding) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        owner: Some(owner(canonical_id(&seen.record.manner.owner))),
        key: Some(encoding.text(&seen.key)),
        version_id: Some(seen.record.shown_id().to_owned()),
        is_latest: Some(seen.is_latest),
        last_modified: Some(seen.record.modified_at),
    }
}
