//! Metrics of each shard.

use std::collections::BTreeSet;

use haar_kernel::{Answer, Call, Command};
use haar_kinesis_contract::{
    DisableEnhancedMonitoring, DisableEnhancedMonitoringInput, EnableEnhancedMonitoring,
    EnableEnhancedMonitoringInput, EnhancedMonitoringOutput, MetricsName,
};
use haar_ledger::Tx;

use crate::Kinesis;
use crate::lookup::find_active;
use crate::state::StreamRow;

/// Every metric that `ALL` stands for.
const ALL: [MetricsName; 7] = [
    MetricsName::IncomingBytes,
    MetricsName::IncomingRecords,
    MetricsName::OutgoingBytes,
    MetricsName::OutgoingRecords,
    MetricsName::WriteProvisionedThroughputExceeded,
    MetricsName::ReadProvisionedThroughputExceeded,
    MetricsName::IteratorAgeMilliseconds,
];

fn meant(named: Vec<MetricsName>) -> BTreeSet<MetricsName> {
    match named.contains(&MetricsName::All) {
        true => ALL.into_iter().collect(),
        false => named.into_iter().collect(),
    }
}

/// Sets what a stream reports, and tells what it was and is.
fn set(tx: &mut Tx, mut row: StreamRow, wanted: BTreeSet<MetricsName>) -> EnhancedMonitoringOutput {
    let list = |set: &BTreeSet<MetricsName>| Some(set.iter().copied().collect());
    let output = EnhancedMonitoringOutput {
        stream_name: Some(row.key.name.clone()),
        stream_arn: Some(row.key.arn()),
        current_shard_level_metrics: list(&row.shard_metrics),
        desired_shard_level_metrics: list(&wanted),
    };
    row.shard_metrics = wanted;
    tx.put(row);
    output
}

/// AWS docs: *Kinesis Data Streams API Reference > EnableEnhancedMonitoring*.
impl Command<EnableEnhancedMonitoring> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: EnableEnhancedMonitoringInput,
    ) -> Answer<EnableEnhancedMonitoring> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let row = find_active(tx, call, name, arn)?;
        let mut wanted = row.shard_metrics.clone();
        wanted.extend(meant(input.shard_level_metrics));
        Ok(set(tx, row, wanted))
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DisableEnhancedMonitoring*.
impl Command<DisableEnhancedMonitoring> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DisableEnhancedMonitoringInput,
    ) -> Answer<DisableEnhancedMonitoring> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let row = find_active(tx, call, name, arn)?;
        let unwanted = meant(input.shard_level_metrics);
        let wanted = row.shard_metrics.difference(&unwanted).copied().collect();
        Ok(set(tx, row, wanted))
    }
}
