//! `GetObjectAttributes`.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_s3_contract::model::{
    Checksum, GetObjectAttributes, GetObjectAttributesOutput, GetObjectAttributesParts,
    GetObjectAttributesRequest, ObjectAttributes, ObjectPart, StorageClass,
};

use crate::S3;
use crate::checksum::show;
use crate::lookup::version_shown;
use crate::metering::Class;
use crate::rules::customer_key::own_key;
use crate::store::{PartOf, Record};

/// AWS docs: *Amazon S3 API Reference > GetObjectAttributes*.
impl Flow<GetObjectAttributes> for S3 {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: GetObjectAttributesRequest,
    ) -> Answer<GetObjectAttributes> {
        let bucket = self.bucket(&input.bucket)?;
        let version_id = input.version_id.as_deref();
        let record = self.settled_object(&bucket, &input.key, version_id, "GET").await?;
        self.opener(&call, &record, &own_key!(input))?;
        self.meter(&call, &bucket, Class::Read);
        let wants = |attribute| input.object_attributes.contains(&attribute);
        let class = record.manner.headers.storage_class.unwrap_or(StorageClass::Standard);
        Ok(GetObjectAttributesOutput {
            last_modified: Some(record.modified_at),
            version_id: version_shown(&bucket, &record),
            e_tag: wants(ObjectAttributes::ETag).then(|| record.etag.clone()),
            checksum: checksum(&record).filter(|_| wants(ObjectAttributes::Checksum)),
            object_parts: match wants(ObjectAttributes::ObjectParts) && !record.parts.is_empty() {
                true => Some(parts(&record, input.max_parts, input.part_number_marker)),
                false => None,
            },
            storage_class: wants(ObjectAttributes::StorageClass).then_some(class),
            object_size: match wants(ObjectAttributes::ObjectSize) {
                true => i64::try_from(record.size).ok(),
                false => None,
            },
            ..Default::default()
        })
    }
}

fn checksum(record: &Record) -> Option<Checksum> {
    let own = record.checksum.as_ref()?;
    let mut shown = Checksum { checksum_type: Some(own.scope()), ..Default::default() };
    show!(shown, own);
    Some(shown)
}

fn parts(record: &Record, most: Option<i32>, after: Option<i32>) -> GetObjectAttributesParts {
    let (most, after) = (most.unwrap_or(1000).clamp(0, 1000), after.unwrap_or(0));
    let count = usize::try_from(most).unwrap_or(0);
    let mut rest = record.parts.iter().filter(|part| part.number > after);
    let page: Vec<&PartOf> = rest.by_ref().take(count).collect();
    // Parts are told one by one only where each has a checksum.
    let is_told = record.checksum.as_ref().is_some_and(|sum| sum.is_composite);
    let shown = page.iter().map(|part| {
        let size = i64::try_from(part.size).ok();
        let mut shown = ObjectPart { part_number: Some(part.number), size, ..Default::default() };
        if let Some(sum) = &part.checksum {
            show!(shown, sum);
        }
        shown
    });
    GetObjectAttributesParts {
        total_parts_count: i32::try_from(record.parts.len()).ok(),
        part_number_marker: Some(after),
        next_part_number_marker: page.last().map(|part| part.number),
        max_parts: Some(most),
        parts: is_told.then(|| shown.collect()),
        is_truncated: Some(rest.next().is_some()),
    }
}
