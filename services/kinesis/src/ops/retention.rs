//! For how long records are kept.

use haar_kernel::{Answer, Call, Command};
use haar_kinesis_contract::{
    DecreaseStreamRetentionPeriod, DecreaseStreamRetentionPeriodInput,
    DecreaseStreamRetentionPeriodOutput, IncreaseStreamRetentionPeriod,
    IncreaseStreamRetentionPeriodInput, IncreaseStreamRetentionPeriodOutput,
};
use haar_ledger::Tx;

use crate::Kinesis;
use crate::lookup::find_active;
use crate::rules::retention::{check_decrease, check_increase};

/// AWS docs: *Kinesis Data Streams API Reference > IncreaseStreamRetentionPeriod*.
impl Command<IncreaseStreamRetentionPeriod> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: IncreaseStreamRetentionPeriodInput,
    ) -> Answer<IncreaseStreamRetentionPeriod> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let mut row = find_active(tx, call, name, arn)?;
        check_increase(&row.key.name, row.retention_hours, input.retention_period_hours)?;
        row.retention_hours = input.retention_period_hours;
        tx.put(row);
        Ok(IncreaseStreamRetentionPeriodOutput {})
    }
}

/// AWS docs: *Kinesis Data Streams API Reference > DecreaseStreamRetentionPeriod*.
impl Command<DecreaseStreamRetentionPeriod> for Kinesis {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DecreaseStreamRetentionPeriodInput,
    ) -> Answer<DecreaseStreamRetentionPeriod> {
        let (name, arn) = (input.stream_name.as_deref(), input.stream_arn.as_deref());
        let mut row = find_active(tx, call, name, arn)?;
        check_decrease(&row.key.name, row.retention_hours, input.retention_period_hours)?;
        row.retention_hours = input.retention_period_hours;
        tx.put(row);
        Ok(DecreaseStreamRetentionPeriodOutput {})
    }
}
