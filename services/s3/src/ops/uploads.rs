//! `ListMultipartUploads` and `ListParts`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    ChecksumType, Initiator, ListMultipartUploads, ListMultipartUploadsOutput,
    ListMultipartUploadsRequest, ListParts, ListPartsOutput, ListPartsRequest, MultipartUpload,
    Part, StorageClass,
};
use haar_types::AccountId;

use super::multipart::abort;
use crate::S3;
use crate::checksum::{Kind, show};
use crate::listing::{Asked, Encoding, Prefixes, count};
use crate::lookup::canonical_id;
use crate::metering::Class;
use crate::refusal;
use crate::rules::acl::owner;
use crate::store::{PartRecord, Sight, UploadRecord, behind, decode, key_of, place, prefix};

impl Flow<ListMultipartUploads> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: ListMultipartUploadsRequest,
    ) -> Answer<ListMultipartUploads> {
        let bucket = self.bucket(&input.bucket)?;
        let (count, max_uploads) = count(input.max_uploads, "max-uploads")?;
        let encoding = Encoding(input.encoding_type);
        let key_marker = input.key_marker.as_deref().filter(|text| !text.is_empty());
        let asked = Asked {
            bucket: bucket.id,
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: key_marker,
            count,
        };
        let mut output = ListMultipartUploadsOutput {
            bucket: Some(input.bucket.clone()),
            key_marker: Some(encoding.text(key_marker.unwrap_or_default())),
            upload_id_marker: Some(input.upload_id_marker.clone().unwrap_or_default()),
            prefix: Some(encoding.text(asked.prefix)),
            delimiter: encoding.maybe(asked.delimiter),
            max_uploads: Some(max_uploads),
            encoding_type: input.encoding_type,
            is_truncated: Some(false),
            ..Default::default()
        };
        let marker = input.upload_id_marker.as_deref();
        let filled = self.fill_uploads(&asked, marker, encoding, &mut output);
        self.store.seen(Sight::of_bucket(bucket.id), filled).await?;
        self.meter(&call, &bucket, Class::Write);
        Ok(output)
    }
}

impl S3 {
    fn fill_uploads(
        &self,
        asked: &Asked<'_>,
        id_marker: Option<&str>,
        encoding: Encoding,
        output: &mut ListMultipartUploadsOutput,
    ) -> Result<(), haar_wire::AwsError> {
        let first = prefix(asked.bucket, asked.prefix);
        let begin = match (asked.after, id_marker.filter(|id| !id.is_empty())) {
            (None, _) => first,
            (Some(key), None) => match asked.folded(key) {
                Some(folded) if folded == key => behind(&prefix(asked.bucket, key)).max(first),
                _ => behind(&place(asked.bucket, key)).max(first),
            },
            (Some(key), Some(id)) => [&place(asked.bucket, key)[..], id.as_bytes(), &[0]].concat(),
        };
        let end = behind(&prefix(asked.bucket, asked.prefix));
        let (mut uploads, mut prefixes) = (Vec::new(), Prefixes::new());
        let mut last: Option<(String, String)> = None;
        let mut range = self.store.uploads.range(begin..end.clone());
        while let Some(entry) = range.next() {
            let entry = entry.map_err(|error| refusal::disk(&error))?;
            let (key, _) = key_of(&entry.key);
            let Some(upload) = decode::<UploadRecord>(&entry.value) else { continue };
            if uploads.len() + prefixes.len() == asked.count {
                output.is_truncated = Some(true);
                let (key, id) = last.unzip();
                output.next_key_marker = encoding.maybe(key.as_deref());
                output.next_upload_id_marker = id;
                break;
            }
            if let Some(folded) = asked.folded(&key) {
                range =
                    self.store.uploads.range(behind(&prefix(asked.bucket, &folded))..end.clone());
                last = Some((folded.clone(), String::new()));
                prefixes.insert(folded);
                continue;
            }
            last = Some((key.clone(), upload.id.clone()));
            uploads.push(shown(&encoding.text(&key), upload));
        }
        let prefixes: Vec<String> = prefixes.into_iter().collect();
        output.common_prefixes = encoding.prefixes(&prefixes);
        output.uploads = (!uploads.is_empty()).then_some(uploads);
        Ok(())
    }
}

fn shown(key: &str, upload: UploadRecord) -> MultipartUpload {
    MultipartUpload {
        key: Some(key.to_owned()),
        initiated: Some(upload.initiated_at),
        storage_class: class_of(&upload),
        owner: Some(owner(canonical_id(&upload.manner.owner))),
        initiator: Some(initiator(&upload.initiator)),
        checksum_algorithm: upload.kind.map(Kind::algorithm),
        checksum_type: scope_of(&upload),
        upload_id: Some(upload.id),
    }
}

fn class_of(upload: &UploadRecord) -> Option<StorageClass> {
    Some(upload.manner.headers.storage_class.unwrap_or(StorageClass::Standard))
}

pub(super) fn scope_of(upload: &UploadRecord) -> Option<ChecksumType> {
    upload.kind.map(|_| match upload.is_composite {
        true => ChecksumType::Composite,
        false => ChecksumType::FullObject,
    })
}

fn initiator((account, arn): &(AccountId, String)) -> Initiator {
    let is_root = arn.ends_with(":root");
    let id = if is_root { canonical_id(account) } else { arn.clone() };
    let name = arn.rsplit('/').next().filter(|_| !is_root).map(str::to_owned);
    Initiator { id: Some(id), display_name: name }
}

impl Flow<ListParts> for S3 {
    async fn flow(self: Arc<Self>, call: Call, input: ListPartsRequest) -> Answer<ListParts> {
        let bucket = self.bucket(&input.bucket)?;
        let upload = self.store.settled_upload(bucket.id, &input.key, &input.upload_id).await?;
        let (count, max_parts) = count(input.max_parts, "max-parts")?;
        let after = input.part_number_marker.unwrap_or(0);
        let mut rest = self.store.parts_of(bucket.id, &upload.id, after);
        let page = rest.by_ref().take(count).collect::<Result<Vec<PartRecord>, _>>();
        let is_truncated = rest.next().is_some();
        drop(rest);
        let page = self.store.seen(Sight::of_key(bucket.id, &input.key), page).await?;
        self.meter(&call, &bucket, Class::Read);
        let (abort_date, abort_rule_id) = abort(&bucket, &input.key, upload.initiated_at).unzip();
        let parts: Vec<Part> = page.iter().map(|part| shown_part(part, &upload)).collect();
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            part_number_marker: Some(after),
            next_part_number_marker: Some(page.last().map_or(0, |part| part.number)),
            max_parts: Some(max_parts),
            is_truncated: Some(is_truncated),
            parts: (!parts.is_empty()).then_some(parts),
            initiator: Some(initiator(&upload.initiator)),
            owner: Some(owner(canonical_id(&upload.manner.owner))),
            storage_class: class_of(&upload),
            checksum_algorithm: upload.kind.map(Kind::algorithm),
            checksum_type: scope_of(&upload),
            upload_id: Some(upload.id),
            abort_date,
            abort_rule_id,
            ..Default::default()
        })
    }
}

fn shown_part(part: &PartRecord, upload: &UploadRecord) -> Part {
    let mut shown = Part {
        part_number: Some(part.number),
        last_modified: Some(part.modified_at),
        e_tag: Some(format!("\"{}\"", part.etag)),
        size: i64::try_from(part.size).ok(),
        ..Default::default()
    };
    if let Some(sum) = part.checksum.as_ref().filter(|_| upload.kind.is_some()) {
        show!(shown, sum);
    }
    shown
}
