//! A table as it was, as files in a bucket. AWS docs: *Developer Guide > DynamoDB table export
//! output format*.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use haar_kv::KvError;
use haar_types::Timestamp;
use haar_wire::AwsError;
use md5::{Digest as _, Md5};
use serde_json::json;

use super::{Place, lines};
use crate::Dynamodb;
use crate::refusal::fault;
use crate::rules::codec;
use crate::rules::value::item_size;
use crate::state::ExportRow;

/// Bytes of items in one file, before they are compressed.
const FILE_BYTES: usize = 16 << 20;

/// What an export came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exported {
    pub(crate) item_count: i64,
    pub(crate) size_bytes: i64,
}

/// A file that is being filled.
struct File {
    encoder: GzEncoder<Vec<u8>>,
    length: usize,
    item_count: i64,
    size_bytes: i64,
}

impl File {
    fn new() -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        Self { encoder, length: 0, item_count: 0, size_bytes: 0 }
    }

    fn add(&mut self, bytes: Bytes) -> Result<(), KvError> {
        let Some(item) = codec::decode(bytes) else { return Ok(()) };
        self.item_count += 1;
        self.size_bytes += i64::try_from(item_size(&item)).unwrap_or(i64::MAX);
        let line = lines::of_item(item);
        self.length += line.len();
        Ok(self.encoder.write_all(&line)?)
    }
}

impl Dynamodb {
    /// Writes an export's files. Again, it writes the same over them.
    pub(crate) async fn export(
        &self,
        row: &ExportRow,
        now: Timestamp,
    ) -> Result<Exported, AwsError> {
        let input = &row.input;
        let place =
            Place::of((&row.key.0, &row.key.1), &input.s3_bucket, input.s3_bucket_owner.as_deref());
        let (mut file, mut after) = (File::new(), None);
        let (mut done, mut manifest, mut number) = (Exported::default(), Vec::new(), 0);
        self.engine.settle(row.at).await;
        loop {
            let piece = self.engine.items_at(row.table.0, row.at, after).await;
            let piece = piece.map_err(|error| fault(&error))?;
            let fill = move || {
                piece.items.into_iter().try_for_each(|(_, bytes)| file.add(bytes))?;
                Ok(file)
            };
            file = self.engine.kv.aside(fill).await.map_err(|error| fault(&error))?;
            after = piece.last;
            if file.length >= FILE_BYTES || after.is_none() {
                let full = std::mem::replace(&mut file, File::new());
                done.item_count += full.item_count;
                done.size_bytes += full.size_bytes;
                manifest.extend(self.write_file(row, &place, full, number).await?);
                number += 1;
            }
            if after.is_none() {
                break;
            }
        }
        self.write_manifests(row, &place, (manifest, done), now).await?;
        Ok(done)
    }

    /// Writes one file; answers its line of the manifest.
    async fn write_file(
        &self,
        row: &ExportRow,
        place: &Place<'_>,
        file: File,
        number: u64,
    ) -> Result<Vec<u8>, AwsError> {
        let bytes = file.encoder.finish().map_err(|error| fault(&error.into()))?;
        let md5 = STANDARD.encode(Md5::digest(&bytes));
        let key = format!("{}/data/{}.json.gz", row.base(), name(row.id, number));
        let etag = self.put_object(place, key.clone(), bytes).await?;
        let line = json!({
            "itemCount": file.item_count, "md5Checksum": md5, "etag": etag, "dataFileS3Key": key,
        });
        Ok(format!("{line}\n").into_bytes())
    }

    async fn write_manifests(
        &self,
        row: &ExportRow,
        place: &Place<'_>,
        (files, done): (Vec<u8>, Exported),
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let (base, input) = (row.base(), &row.input);
        let summary = json!({
            "version": "2020-06-30",
            "exportArn": row.arn(),
            "startTime": row.started_at.iso(),
            "endTime": now.iso(),
            "tableArn": input.table_arn,
            "tableId": row.table.1,
            "exportTime": row.at.iso(),
            "s3Bucket": input.s3_bucket,
            "s3Prefix": input.s3_prefix,
            "s3SseAlgorithm": input.s3_sse_algorithm.unwrap_or_default().as_str(),
            "s3SseKmsKeyId": input.s3_sse_kms_key_id,
            "manifestFilesS3Key": format!("{base}/manifest-files.json"),
            "billedSizeBytes": done.size_bytes,
            "itemCount": done.item_count,
            "outputFormat": "DYNAMODB_JSON",
            "exportType": "FULL_EXPORT",
        });
        let summary = summary.to_string().into_bytes();
        for (name, bytes) in [("manifest-files", files), ("manifest-summary", summary)] {
            let md5 = STANDARD.encode(Md5::digest(&bytes));
            self.put_object(place, format!("{base}/{name}.json"), bytes).await?;
            self.put_object(place, format!("{base}/{name}.md5"), md5.into_bytes()).await?;
        }
        Ok(())
    }
}

/// A file's name: 26 letters and digits, the same for the same export and number.
fn name(export: u64, number: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mixed =
        (export ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let bits = u128::from(export) << 64 | u128::from(mixed);
    (0..26).map(|at| char::from(LETTERS[((bits >> (5 * at)) & 31) as usize])).collect()
}
