//! Records: putting and getting them.

use std::sync::Arc;

use haar_kernel::{Answer, Call, Flow};
use haar_kinesis_contract::{
    EncryptionType, GetRecords, GetRecordsInput, GetRecordsOutput, MetricsName, PutRecord,
    PutRecordInput, PutRecordOutput, PutRecords, PutRecordsInput, PutRecordsOutput,
    PutRecordsResultEntry,
};

use crate::Kinesis;
use crate::lookup::{key_of_arn, stream_key};
use crate::put::{Incoming, Placed, Written};
use crate::read::{Opened, Portion};
use crate::refusal::{invalid_argument, rate_exceeded, rate_text};
use crate::render::{record, shard_id};
use crate::rules::iterator::Iterator as Place;

/// Bytes of one `PutRecords` at most. AWS docs: *PutRecords*.
const PUT_BYTES_MAX: usize = 10 << 20;
/// Records of an answer unless the request says fewer.
const RECORDS_MAX: usize = 10_000;
const BYTES_MAX: usize = 10 << 20;

/// AWS docs: *Kinesis Data Streams API Reference > PutRecord*.
impl Flow<PutRecord> for Kinesis {
    async fn flow(self: Arc<Self>, call: Call, input: PutRecordInput) -> Answer<PutRecord> {
        let key = stream_key(&call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let explicit = input.explicit_hash_key.as_deref();
        let incoming = Incoming::read(input.partition_key, explicit, input.data)?;
        let sizes = [incoming.len()];
        let written = self.put(&call, &key, vec![incoming]).await?;
        self.account_for(&call, "PutRecord", &written, &sizes);
        match written.placed.first() {
            Some(Placed::At(shard, sequence)) => Ok(PutRecordOutput {
                shard_id: shard_id(*shard),
                sequence_number: sequence.text(),
                encryption_type: said(&written),
            }),
            Some(Placed::Throttled(shard)) => Err(rate_exceeded(&key, *shard)),
            None => Err(haar_wire::AwsError::internal_failure("nothing was written")),
        }
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > PutRecords*.
impl Flow<PutRecords> for Kinesis {
    async fn flow(self: Arc<Self>, call: Call, input: PutRecordsInput) -> Answer<PutRecords> {
        let key = stream_key(&call, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        let mut incoming = Vec::with_capacity(input.records.len());
        for entry in input.records {
            let explicit = entry.explicit_hash_key.as_deref();
            incoming.push(Incoming::read(entry.partition_key, explicit, entry.data)?);
        }
        let sizes: Vec<usize> = incoming.iter().map(Incoming::len).collect();
        if sizes.iter().sum::<usize>() > PUT_BYTES_MAX {
            return Err(invalid_argument("Records size exceeds 10 MB limit"));
        }
        let written = self.put(&call, &key, incoming).await?;
        self.account_for(&call, "PutRecords", &written, &sizes);
        let mut failed = 0;
        let results = written.placed.iter().map(|placed| match placed {
            Placed::At(shard, sequence) => PutRecordsResultEntry {
                sequence_number: Some(sequence.text()),
                shard_id: Some(shard_id(*shard)),
                ..PutRecordsResultEntry::default()
            },
            Placed::Throttled(shard) => {
                failed += 1;
                PutRecordsResultEntry {
                    error_code: Some("ProvisionedThroughputExceededException".to_owned()),
                    error_message: Some(rate_text(&key, *shard)),
                    ..PutRecordsResultEntry::default()
                }
            }
        });
        let records = results.collect();
        Ok(PutRecordsOutput {
            failed_record_count: Some(failed),
            records,
            encryption_type: said(&written),
        })
    }
}

fn said(written: &Written) -> Option<EncryptionType> {
    written.stream.key_id.as_ref().map(|_| EncryptionType::Kms)
}

impl Kinesis {
    /// Metrics and bill of what a request wrote.
    fn account_for(&self, call: &Call, operation: &str, written: &Written, sizes: &[usize]) {
        let stream = &written.stream;
        let mut kept = Vec::with_capacity(sizes.len());
        for (placed, size) in written.placed.iter().zip(sizes) {
            match placed {
                Placed::At(shard, _) => {
                    kept.push(*size);
                    let values = [
                        (MetricsName::IncomingBytes, "Bytes", *size as f64),
                        (MetricsName::IncomingRecords, "Count", 1.0),
                    ];
                    self.observe_shard(stream, *shard, &values, call.now);
                }
                Placed::Throttled(shard) => {
                    let exceeded = MetricsName::WriteProvisionedThroughputExceeded;
                    self.observe_shard(stream, *shard, &[(exceeded, "Count", 1.0)], call.now);
                }
            }
        }
        let bytes = kept.iter().sum::<usize>() as f64;
        let (count, all) = (kept.len() as f64, sizes.len() as f64);
        let latency = self.doors.clock.now().since(call.now).as_secs_f64() * 1000.0;
        let named = |what: &str| format!("{operation}.{what}");
        let (latency_name, success, bytes_name) =
            (named("Latency"), named("Success"), named("Bytes"));
        let mut values = vec![
            ("IncomingBytes", "Bytes", bytes),
            ("IncomingRecords", "Count", count),
            (latency_name.as_str(), "Milliseconds", latency),
            (success.as_str(), "Count", f64::from(u8::from(count > 0.0))),
            (bytes_name.as_str(), "Bytes", bytes),
            ("WriteProvisionedThroughputExceeded", "Count", all - count),
        ];
        if operation == "PutRecords" {
            values.push(("PutRecords.TotalRecords", "Count", all));
            values.push(("PutRecords.SuccessfulRecords", "Count", count));
            values.push(("PutRecords.ThrottledRecords", "Count", all - count));
        }
        self.observe(stream, &values, call.now);
        if !kept.is_empty() {
            self.bill_put(stream, &kept, call.now);
        }
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > GetRecords*.
impl Flow<GetRecords> for Kinesis {
    async fn flow(self: Arc<Self>, call: Call, input: GetRecordsInput) -> Answer<GetRecords> {
        let place = Place::read(&input.shard_iterator, call.now)?;
        if let Some(arn) = input.stream_arn.as_deref()
            && key_of_arn(arn).as_ref() != Some(&place.stream)
        {
            return Err(invalid_argument("StreamARN does not name the ShardIterator's stream."));
        }
        let opened = self.open_place(&place)?;
        if !self.may_read(&opened) {
            let exceeded = [("ReadProvisionedThroughputExceeded", "Count", 1.0)];
            self.observe(&opened.stream, &exceeded, call.now);
            return Err(rate_exceeded(&opened.stream.key, place.shard));
        }
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
        let limits = (limit.unwrap_or(RECORDS_MAX), BYTES_MAX);
        let portion = self.portion(&opened, place.from, limits, call.now)?;
        opened.tip.state.lock().read_bytes.take(portion.bytes as f64);
        self.account_for_read(&call, &opened, &portion);
        let next = portion.next.map(|from| self.mint(&call, &opened, from));
        Ok(GetRecordsOutput {
            records: portion.records.into_iter().map(record).collect(),
            next_shard_iterator: next,
            millis_behind_latest: Some(portion.behind_ms),
            child_shards: portion.children,
        })
    }
}

impl Kinesis {
    /// Takes a read into account; false where the shard gives no more in this second.
    fn may_read(&self, opened: &Opened) -> bool {
        let now = self.doors.clock.moment();
        let mut end = opened.tip.state.lock();
        let may = end.reads.holds(1.0, now) && end.read_bytes.holds(1.0, now);
        if may {
            end.reads.take(1.0);
        }
        may
    }

    fn account_for_read(&self, call: &Call, opened: &Opened, portion: &Portion) {
        let (bytes, count) = (portion.bytes as f64, portion.records.len() as f64);
        let latency = self.doors.clock.now().since(call.now).as_secs_f64() * 1000.0;
        let values = [
            ("GetRecords.Bytes", "Bytes", bytes),
            ("GetRecords.Records", "Count", count),
            ("GetRecords.Success", "Count", 1.0),
            ("GetRecords.Latency", "Milliseconds", latency),
            ("GetRecords.IteratorAgeMilliseconds", "Milliseconds", portion.behind_ms as f64),
        ];
        self.observe(&opened.stream, &values, call.now);
        let of_shard = [
            (MetricsName::OutgoingBytes, "Bytes", bytes),
            (MetricsName::OutgoingRecords, "Count", count),
            (MetricsName::IteratorAgeMilliseconds, "Milliseconds", portion.behind_ms as f64),
        ];
        self.observe_shard(&opened.stream, opened.shard.key.number, &of_shard, call.now);
        self.bill_read(&opened.stream, portion.bytes, false, call.now);
    }
}
