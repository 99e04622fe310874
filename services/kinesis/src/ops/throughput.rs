//! Capacity mode, warm throughput, and the size of records.

use std::time::Duration;

use haar_kernel::{Answer, Call, Command};
use haar_kinesis_contract::{
    StreamMode, UpdateMaxRecordSize, UpdateMaxRecordSizeInput, UpdateMaxRecordSizeOutput,
    UpdateStreamMode, UpdateStreamModeInput, UpdateStreamModeOutput, UpdateStreamWarmThroughput,
    UpdateStreamWarmThroughputInput, UpdateStreamWarmThroughputOutput,
};
use haar_ledger::Tx;
use haar_wire::AwsError;

use super::stream::check_on_demand_count;
use crate::Kinesis;
use crate::lookup::find_active;
use crate::refusal::{limit_exceeded, validation};
use crate::render::warm;

/// How often a stream's mode may change in a day. AWS docs: *UpdateStreamMode*.
const MODE_CHANGES_MAX: usize = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Warm throughput is of on-demand streams.
pub(super) fn check_warm(mode: StreamMode, asked: Option<i32>) -> Result<(), AwsError> {
    match (mode, asked) {
        (StreamMode::Provisioned, Some(_)) => Err(validation(
            "WarmThroughputMiBps can only be specified for a stream in ON_DEMAND mode.",
        )),
        _ => Ok(()),
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > UpdateStreamMode*.
impl Command<UpdateStreamMode> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateStreamModeInput,
    ) -> Answer<UpdateStreamMode> {
        let mut row = find_active(tx, call, None, Some(&input.stream_arn))?;
        let mode = input.stream_mode_details.stream_mode;
        check_warm(mode, input.warm_throughput_mi_bps)?;
        if row.mode != mode {
            if mode == StreamMode::OnDemand {
                check_on_demand_count(tx, call)?;
            }
            row.mode_changed_at.retain(|at| call.now.since(*at) < DAY);
            if row.mode_changed_at.len() >= MODE_CHANGES_MAX {
                return Err(limit_exceeded(format!(
                    "The mode of stream {} under account {} has been changed {MODE_CHANGES_MAX} \
                     times in the last 24 hours.",
                    row.key.name, row.key.account
                )));
            }
            row.mode_changed_at.push(call.now);
        }
        row.mode = mode;
        row.warm_mibps = input.warm_throughput_mi_bps;
        tx.put(row);
        Ok(UpdateStreamModeOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > UpdateStreamWarmThroughput*.
impl Command<UpdateStreamWarmThroughput> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateStreamWarmThroughputInput,
    ) -> Answer<UpdateStreamWarmThroughput> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let mut row = find_active(tx, call, name, arn)?;
        check_warm(row.mode, Some(input.warm_throughput_mi_bps))?;
        row.warm_mibps = Some(input.warm_throughput_mi_bps);
        let output = UpdateStreamWarmThroughputOutput {
            stream_arn: Some(row.key.arn()),
            stream_name: Some(row.key.name.clone()),
            warm_throughput: warm(&row),
        };
        tx.put(row);
        Ok(output)
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > UpdateMaxRecordSize*.
impl Command<UpdateMaxRecordSize> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateMaxRecordSizeInput,
    ) -> Answer<UpdateMaxRecordSize> {
        let mut row = find_active(tx, call, None, input.stream_arn.as_deref())?;
        row.record_kib_max = input.max_record_size_in_ki_b;
        tx.put(row);
        Ok(UpdateMaxRecordSizeOutput {})
    }
}
