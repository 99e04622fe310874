//! A table filled from files in a bucket. AWS docs: *Developer Guide > DynamoDB import formats*.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;

use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;
use haar_dynamodb_contract::{
    AttributeValue, CsvOptions, InputCompressionType, InputFormat, ScalarAttributeType,
};
use haar_s3_contract::{GetObject, GetObjectRequest, ListObjectsV2, ListObjectsV2Request};
use haar_types::Timestamp;
use haar_wire::AwsError;

use super::lines::{Line, Lines, fields, item_of};
use super::{Place, SELF};
use crate::Dynamodb;
use crate::convert::{self, WireItem};
use crate::engine::check;
use crate::state::{ImportCounts, ImportRow, TableRow};

/// Packed bytes that are unpacked at a time: they may become a thousand times as many.
const PACKED_BYTES: usize = 4096;

/// Bytes of lines that are read before others have their turn; each line counts for more.
const TURN_BYTES: usize = 256 << 10;

/// What a line costs beside its bytes.
const LINE_COST: usize = 4096;

/// How the lines of one file are read.
struct Reading<'a> {
    table: &'a Arc<TableRow>,
    csv: Option<Csv>,
    now: Timestamp,
    /// What was read since others had their turn.
    turn: usize,
}

/// Comma-separated values.
struct Csv {
    delimiter: char,
    /// The attributes' names; the first line's fields where none are given.
    header: Option<Vec<String>>,
}

impl Dynamodb {
    /// Fills a table. Again, after a crash, it comes to the same.
    pub(crate) async fn import(
        &self,
        row: &ImportRow,
        table: &Arc<TableRow>,
        now: Timestamp,
    ) -> Result<ImportCounts, AwsError> {
        let source = &row.input.s3_bucket_source;
        let mut place = Place::of(
            (&row.key.0, &row.key.1),
            &source.s3_bucket,
            source.s3_bucket_owner.as_deref(),
        );
        if let Some(caller) = &row.caller {
            place.principal = caller.principal().via(SELF);
        }
        let (mut counts, mut token) = (ImportCounts::default(), None);
        loop {
            let input = ListObjectsV2Request {
                bucket: place.bucket.to_owned(),
                prefix: source.s3_key_prefix.clone(),
                expected_bucket_owner: place.owner.map(str::to_owned),
                continuation_token: token,
                ..ListObjectsV2Request::default()
            };
            let principal = Arc::clone(&place.principal);
            let page = self.doors.call::<ListObjectsV2>(principal, place.region, input).await?;
            for object in page.contents.unwrap_or_default() {
                let (key, size) = (object.key.unwrap_or_default(), object.size.unwrap_or(0));
                if size > 0 {
                    self.import_file(row, (&place, key), table, (&mut counts, now)).await?;
                }
            }
            token = page.next_continuation_token;
            if token.is_none() {
                self.engine.sync().await?;
                return Ok(counts);
            }
        }
    }

    async fn import_file(
        &self,
        row: &ImportRow,
        (place, key): (&Place<'_>, String),
        table: &Arc<TableRow>,
        (counts, now): (&mut ImportCounts, Timestamp),
    ) -> Result<(), AwsError> {
        let input = GetObjectRequest {
            bucket: place.bucket.to_owned(),
            key,
            expected_bucket_owner: place.owner.map(str::to_owned),
            ..GetObjectRequest::default()
        };
        let principal = Arc::clone(&place.principal);
        let read = self.doors.call::<GetObject>(principal, place.region, input).await?;
        let is_gzip = row.input.input_compression_type == Some(InputCompressionType::Gzip);
        let mut decoder = is_gzip.then(|| MultiGzDecoder::new(Vec::new()));
        let mut reading = Reading { table, csv: csv_of(row), now, turn: 0 };
        let (mut lines, mut pieces) = (Lines::default(), std::pin::pin!(read.body.into_stream()));
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| AwsError::internal_failure(error.to_string()))?;
            counts.bytes += i64::try_from(piece.len()).unwrap_or(0);
            for part in piece.chunks(PACKED_BYTES) {
                // what cannot be unpacked is one error, and the rest of its file is not read
                let Ok(part) = unpacked(&mut decoder, part) else {
                    counts.errors += 1;
                    return Ok(());
                };
                for line in lines.more(&part) {
                    self.import_line(&mut reading, line, counts)?;
                    reading.give_way().await;
                }
            }
            tokio::task::yield_now().await;
        }
        match lines.last() {
            Some(line) => self.import_line(&mut reading, line, counts),
            None => Ok(()),
        }
    }

    fn import_line(
        &self,
        reading: &mut Reading<'_>,
        line: Line,
        counts: &mut ImportCounts,
    ) -> Result<(), AwsError> {
        let line = line.unwrap_or_default(); // too long to be an item's: nothing is none either
        reading.turn += LINE_COST + line.len();
        let wire = match &mut reading.csv {
            None => item_of(&line),
            Some(csv) => match csv.read(&line, reading.table) {
                Some(row) => row,
                None => return Ok(()), // the header
            },
        };
        counts.processed += 1;
        let item = wire.ok_or(()).and_then(|wire| convert::item(wire).map_err(drop));
        let fits = |item: &_| {
            reading.table.keys.of_item(item).and_then(|_| check(reading.table, item)).is_ok()
        };
        match item.ok().filter(fits) {
            Some(item) => {
                self.engine.fill(reading.table, item, reading.now)?;
                counts.imported += 1;
            }
            None => counts.errors += 1,
        }
        Ok(())
    }
}

impl Reading<'_> {
    /// Lets others have their turn where much was read.
    async fn give_way(&mut self) {
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Some more bytes of a file, as they were before they were packed.
fn unpacked<'b>(
    decoder: &mut Option<MultiGzDecoder<Vec<u8>>>,
    bytes: &'b [u8],
) -> std::io::Result<Cow<'b, [u8]>> {
    let Some(decoder) = decoder else { return Ok(bytes.into()) };
    decoder.write_all(bytes)?;
    decoder.flush()?;
    Ok(std::mem::take(decoder.get_mut()).into())
}

fn csv_of(row: &ImportRow) -> Option<Csv> {
    let options = row.input.input_format_options.as_ref().and_then(|options| options.csv.clone());
    let CsvOptions { delimiter, header_list } = options.unwrap_or_default();
    let delimiter = delimiter.and_then(|text| text.chars().next()).unwrap_or(',');
    (row.input.input_format == InputFormat::Csv).then_some(Csv { delimiter, header: header_list })
}

impl Csv {
    /// `None` for the header, `Some(None)` for a line that is no item. All values are texts, but
    /// for those of keys, which are of their type.
    fn read(&mut self, line: &[u8], table: &TableRow) -> Option<Option<WireItem>> {
        let Ok(text) = std::str::from_utf8(line) else { return Some(None) };
        let found = fields(text, self.delimiter);
        let Some(header) = &self.header else {
            self.header = Some(found);
            return None;
        };
        if found.len() > header.len() {
            return Some(None);
        }
        let kind = |name: &String| {
            let known = table.attributes.iter().find(|(known, _)| known == name);
            known.map_or(ScalarAttributeType::S, |(_, kind)| *kind)
        };
        let filled = header.iter().zip(found).filter(|(_, value)| !value.is_empty());
        let item = filled.map(|(name, value)| {
            let wire = match kind(name) {
                ScalarAttributeType::N => AttributeValue { n: Some(value), ..Default::default() },
                ScalarAttributeType::B => {
                    AttributeValue { b: Some(value.into_bytes().into()), ..Default::default() }
                }
                ScalarAttributeType::S => AttributeValue { s: Some(value), ..Default::default() },
            };
            (name.clone(), wire)
        });
        Some(Some(item.collect()))
    }
}
