//! Metrics and the bill. AWS docs: *Monitor the Kinesis Data Streams service with CloudWatch*,
//! *Amazon Kinesis Data Streams pricing*.

use haar_cloudwatch_contract::peek::Sample;
use haar_kernel::UsageRecord;
use haar_kinesis_contract::{MetricsName, StreamMode};
use haar_types::Timestamp;

use crate::Kinesis;
use crate::render::shard_id;
use crate::state::StreamRow;

/// What a PUT is billed by in provisioned mode.
const PAYLOAD_UNIT: usize = 25 * 1024;
/// What a record is rounded up to in on-demand mode.
const ON_DEMAND_UNIT: usize = 1024;

/// A value of a metric: name, unit, value.
pub(crate) type Value<'a> = (&'a str, &'static str, f64);

impl Kinesis {
    /// Records values for a stream.
    pub(crate) fn observe(&self, stream: &StreamRow, values: &[Value<'_>], at: Timestamp) {
        let dimensions = [("StreamName", stream.key.name.as_str())];
        self.record_all(stream, values, &dimensions, at);
    }

    /// Records values for a shard, as far as its stream reports them.
    pub(crate) fn observe_shard(
        &self,
        stream: &StreamRow,
        shard: u32,
        values: &[(MetricsName, &'static str, f64)],
        at: Timestamp,
    ) {
        let wanted = values.iter().filter(|value| stream.shard_metrics.contains(&value.0));
        let wanted: Vec<Value<'_>> =
            wanted.map(|(name, unit, value)| (name.as_str(), *unit, *value)).collect();
        if wanted.is_empty() {
            return;
        }
        let id = shard_id(shard);
        let dimensions = [("StreamName", stream.key.name.as_str()), ("ShardId", id.as_str())];
        self.record_all(stream, &wanted, &dimensions, at);
    }

    fn record_all(
        &self,
        stream: &StreamRow,
        values: &[Value<'_>],
        dimensions: &[(&str, &str)],
        at: Timestamp,
    ) {
        let Some(metrics) = &self.metrics else { return };
        for (metric, unit, value) in values {
            metrics.record(Sample {
                account: &stream.key.account,
                region: &stream.key.region,
                namespace: "AWS/Kinesis",
                metric,
                dimensions,
                unit,
                value: *value,
                at,
            });
        }
    }

    /// Bills records that came in, by their sizes.
    pub(crate) fn bill_put(&self, stream: &StreamRow, sizes: &[usize], at: Timestamp) {
        let units =
            |unit: usize| sizes.iter().map(|size| size.div_ceil(unit).max(1)).sum::<usize>();
        let quantity = match stream.mode {
            StreamMode::Provisioned => ("put-payload-units", units(PAYLOAD_UNIT) as u64),
            StreamMode::OnDemand => ("kib-in/on-demand", units(ON_DEMAND_UNIT) as u64),
        };
        self.bill(stream, vec![quantity], at);
    }

    /// Bills bytes that were read.
    pub(crate) fn bill_read(
        &self,
        stream: &StreamRow,
        bytes: usize,
        fans_out: bool,
        at: Timestamp,
    ) {
        let kind = match (stream.mode, fans_out) {
            (StreamMode::OnDemand, true) => "kib-out/on-demand-fan-out",
            (StreamMode::OnDemand, false) => "kib-out/on-demand",
            (StreamMode::Provisioned, true) => "kib-out/fan-out",
            (StreamMode::Provisioned, false) => return, // comes with the shard
        };
        if bytes > 0 {
            self.bill(stream, vec![(kind, bytes.div_ceil(1024) as u64)], at);
        }
    }

    /// Writes one record of the bill.
    pub(crate) fn bill(
        &self,
        stream: &StreamRow,
        quantities: Vec<(&'static str, u64)>,
        at: Timestamp,
    ) {
        self.doors.meter.record(UsageRecord {
            account: stream.key.account.clone(),
            region: stream.key.region.clone(),
            at,
            service: "kinesis",
            resource: stream.key.name.clone(),
            quantities,
        });
    }
}
