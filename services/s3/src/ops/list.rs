//! `ListObjects` and `ListObjectsV2`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    ListObjects, ListObjectsOutput, ListObjectsRequest, ListObjectsV2, ListObjectsV2Output,
    ListObjectsV2Request, Object, ObjectStorageClass,
};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::S3;
use crate::listing::{Asked, Encoding, Page, bad_token, count};
use crate::lookup::canonical_id;
use crate::metering::Class;
use crate::refusal;
use crate::render::{restore_status, restores_at};
use crate::rules::acl::owner;
use crate::store::{Record, Sight};

/// What a listing shows beside keys.
#[derive(Clone, Copy)]
struct Shows {
    encoding: Encoding,
    owner: bool,
    /// What was restored of archived objects, as of then.
    restores_at: Option<Timestamp>,
}

/// AWS docs: *Amazon S3 API Reference > ListObjectsV2*.
impl Flow<ListObjectsV2> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ListObjectsV2Request,
    ) -> Answer<ListObjectsV2> {
        let bucket = self.bucket(&input.bucket)?;
        let (count, max_keys) = count(input.max_keys, "max-keys")?;
        let token = input.continuation_token.as_deref().map(read_token).transpose()?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|text| !text.is_empty());
        let start = input.start_after.as_deref().filter(|text| !text.is_empty());
        let after = token.as_deref().or(start);
        let asked = Asked { bucket: bucket.id, prefix, delimiter, after, count };
        let encoding = Encoding(input.encoding_type);
        let shows = Shows {
            encoding,
            owner: input.fetch_owner == Some(true),
            restores_at: restores_at(input.optional_object_attributes.as_deref(), call.now),
        };
        let page = self.page(&asked, shows).await?;
        self.meter(&call, &bucket, Class::Write);
        let key_count = page.items.len() + page.prefixes.len();
        Ok(ListObjectsV2Output {
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| URL_SAFE_NO_PAD.encode(next)),
            common_prefixes: encoding.prefixes(&page.prefixes),
            contents: (!page.items.is_empty()).then_some(page.items),
            name: Some(bucket.name.clone()),
            prefix: Some(encoding.text(prefix)),
            delimiter: encoding.maybe(delimiter),
            max_keys: Some(max_keys),
            encoding_type: input.encoding_type,
            key_count: i32::try_from(key_count).ok(),
            continuation_token: input.continuation_token,
            start_after: encoding.maybe(start),
            request_charged: None,
        })
    }
}

/// AWS docs: *Amazon S3 API Reference > ListObjects*.
impl Flow<ListObjects> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: ListObjectsRequest) -> Answer<ListObjects> {
        let bucket = self.bucket(&input.bucket)?;
        let (count, max_keys) = count(input.max_keys, "max-keys")?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|text| !text.is_empty());
        let after = input.marker.as_deref().filter(|text| !text.is_empty());
        let asked = Asked { bucket: bucket.id, prefix, delimiter, after, count };
        let encoding = Encoding(input.encoding_type);
        let shows = Shows {
            encoding,
            owner: true,
            restores_at: restores_at(input.optional_object_attributes.as_deref(), call.now),
        };
        let page = self.page(&asked, shows).await?;
        self.meter(&call, &bucket, Class::Write);
        Ok(ListObjectsOutput {
            is_truncated: Some(page.next.is_some()),
            marker: Some(encoding.text(after.unwrap_or_default())),
            // Without a delimiter the last key of the page is the next marker.
            next_marker: page
                .next
                .as_deref()
                .filter(|_| delimiter.is_some())
                .map(|next| encoding.text(next)),
            common_prefixes: encoding.prefixes(&page.prefixes),
            contents: (!page.items.is_empty()).then_some(page.items),
            name: Some(bucket.name.clone()),
            prefix: Some(encoding.text(prefix)),
            delimiter: encoding.maybe(delimiter),
            max_keys: Some(max_keys),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }
}

impl S3 {
    /// Reads a page aside: behind many delete markers it is long in coming.
    async fn page(
        self: &Arc<Self>,
        asked: &Asked<'_>,
        shows: Shows,
    ) -> Result<Page<Object>, AwsError> {
        let (room, bucket, asked) = (Arc::clone(self), asked.bucket, asked.owned());
        let read = move || Ok(room.read_page(&asked.asked(), shows));
        let page = self.doors.kv.aside(read).await.map_err(|error| refusal::disk(&error))?;
        self.store.seen(Sight::of_bucket(bucket), page).await
    }

    fn read_page(&self, asked: &Asked<'_>, shows: Shows) -> Result<Page<Object>, AwsError> {
        asked.page(&self.store.objects, |key, entry| {
            let record = Record::decode(&entry.value).filter(|record| !record.is_marker)?;
            let class = record.manner.headers.storage_class.map(|class| class.as_str());
            Some(Object {
                key: Some(shows.encoding.text(key)),
                last_modified: Some(record.modified_at),
                e_tag: Some(record.quoted_etag()),
                checksum_algorithm: record.checksum.as_ref().map(|sum| vec![sum.kind.algorithm()]),
                checksum_type: record.checksum.as_ref().map(|sum| sum.scope()),
                size: i64::try_from(record.size).ok(),
                storage_class: class.unwrap_or("STANDARD").parse::<ObjectStorageClass>().ok(),
                owner: shows.owner.then(|| owner(canonical_id(&record.manner.owner))),
                restore_status: shows.restores_at.and_then(|now| restore_status(&record, now)),
            })
        })
    }
}

fn read_token(token: &str) -> Result<String, AwsError> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| !text.is_empty()).ok_or_else(|| bad_token(token))
}
