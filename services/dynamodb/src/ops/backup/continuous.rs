//! Point-in-time recovery.

use std::time::Duration;

use haar_dynamodb_contract::{
    ContinuousBackupsDescription, ContinuousBackupsStatus, DescribeContinuousBackups,
    DescribeContinuousBackupsInput, DescribeContinuousBackupsOutput,
    PointInTimeRecoveryDescription, PointInTimeRecoveryStatus, TableNotFoundException,
    UpdateContinuousBackups, UpdateContinuousBackupsInput, UpdateContinuousBackupsOutput,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Dynamodb;
use crate::lookup::table_key;
use crate::refusal::invalid;
use crate::state::{Recovery, TableRow};

/// Days that a table can be brought back by, at most and unless asked otherwise.
const DAYS_MAX: i32 = 35;

impl Recovery {
    /// The first moment that can be restored.
    pub(crate) fn earliest(&self, now: Timestamp) -> Timestamp {
        let kept = Duration::from_secs(u64::from(self.days.unsigned_abs()) * 86_400);
        self.since.max(now - kept)
    }
}

fn find(snapshot: &Snapshot, call: &Call, named: &str) -> Result<TableRow, AwsError> {
    let row = snapshot.get::<TableRow>(&table_key(call, named)?);
    let missing = || TableNotFoundException::message(format!("Table not found: {named}"));
    Ok(TableRow::clone(&*row.ok_or_else(missing)?))
}

fn described(row: &TableRow, now: Timestamp) -> ContinuousBackupsDescription {
    let recovery = row.recovery.as_ref();
    ContinuousBackupsDescription {
        continuous_backups_status: ContinuousBackupsStatus::Enabled,
        point_in_time_recovery_description: Some(PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some(match recovery {
                Some(_) => PointInTimeRecoveryStatus::Enabled,
                None => PointInTimeRecoveryStatus::Disabled,
            }),
            recovery_period_in_days: recovery.map(|recovery| recovery.days),
            earliest_restorable_date_time: recovery.map(|recovery| recovery.earliest(now)),
            // AWS lags by minutes; here every change is known at once
            latest_restorable_date_time: recovery.map(|_| now),
        }),
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DescribeContinuousBackups*.
impl Query<DescribeContinuousBackups> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: DescribeContinuousBackupsInput,
    ) -> Answer<DescribeContinuousBackups> {
        let row = find(snapshot, call, &input.table_name)?;
        Ok(DescribeContinuousBackupsOutput {
            continuous_backups_description: Some(described(&row, call.now)),
        })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > UpdateContinuousBackups*.
impl Command<UpdateContinuousBackups> for Dynamodb {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UpdateContinuousBackupsInput,
    ) -> Answer<UpdateContinuousBackups> {
        let mut row = find(tx, call, &input.table_name)?;
        let asked = input.point_in_time_recovery_specification;
        row.has_past |= row.recovery.is_some();
        let days = asked.recovery_period_in_days;
        row.recovery = match (asked.point_in_time_recovery_enabled, row.recovery) {
            (false, _) if days.is_some() => {
                return Err(invalid(
                    "RecoveryPeriodInDays can only be specified when PointInTimeRecoveryEnabled \
                     is true",
                ));
            }
            (false, _) => None,
            (true, known) => Some(Recovery {
                days: days.or(known.as_ref().map(|it| it.days)).unwrap_or(DAYS_MAX),
                // what was before the period so far is gone, however long the next one is
                since: known.map_or(call.now, |known| known.earliest(call.now)),
            }),
        };
        row.has_past |= row.recovery.is_some();
        let description = described(&row, call.now);
        tx.put(row);
        Ok(UpdateContinuousBackupsOutput { continuous_backups_description: Some(description) })
    }
}
