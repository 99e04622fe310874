//! `DescribeBackup` and `ListBackups`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    BackupStatus, BackupSummary, BackupType, BackupTypeFilter, DescribeBackup, DescribeBackupInput,
    DescribeBackupOutput, ListBackups, ListBackupsInput, ListBackupsOutput,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;

use super::{description, find_backup};
use crate::Dynamodb;
use crate::lookup::table_key;
use crate::state::BackupRow;

/// Backups on a page.
const PAGE: usize = 100;

/// AWS docs: *Amazon DynamoDB API Reference > DescribeBackup*.
impl Query<DescribeBackup> for Dynamodb {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: DescribeBackupInput,
    ) -> Answer<DescribeBackup> {
        let arn = &input.backup_arn;
        let row = find_backup(snapshot, arn)?;
        Ok(DescribeBackupOutput { backup_description: Some(description(&row, row.status)) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > ListBackups*.
impl Query<ListBackups> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListBackupsInput,
    ) -> Answer<ListBackups> {
        let table = input.table_name.as_deref().map(|name| table_key(call, name)).transpose()?;
        let of_type = !matches!(
            input.backup_type,
            Some(BackupTypeFilter::System | BackupTypeFilter::AwsBackup)
        );
        let fits = |row: &Arc<BackupRow>| {
            row.status != BackupStatus::Deleted
                && row.key.0 == call.account
                && row.key.1 == call.region
                && of_type
                && table.as_ref().is_none_or(|table| table.2 == row.key.2)
                && input.time_range_lower_bound.is_none_or(|at| row.created_at >= at)
                && input.time_range_upper_bound.is_none_or(|at| row.created_at < at)
        };
        let all = snapshot.all::<BackupRow>().filter(fits);
        let after = input.exclusive_start_backup_arn.as_deref().and_then(BackupRow::key_of);
        let mut rest = all.filter(|row| after.as_ref().is_none_or(|after| row.key > *after));
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
        let page: Vec<_> = rest.by_ref().take(limit.min(PAGE)).collect();
        let last = page.last().map(|row| row.arn()).filter(|_| rest.next().is_some());
        Ok(ListBackupsOutput {
            backup_summaries: Some(page.iter().map(|row| summary(row)).collect()),
            last_evaluated_backup_arn: last,
        })
    }
}

fn summary(row: &BackupRow) -> BackupSummary {
    BackupSummary {
        table_name: Some(row.table.name().to_owned()),
        table_id: Some(row.table.uuid.clone()),
        table_arn: Some(row.table.arn()),
        backup_arn: Some(row.arn()),
        backup_name: Some(row.name.clone()),
        backup_creation_date_time: Some(row.created_at),
        backup_expiry_date_time: None,
        backup_status: Some(row.status),
        backup_type: Some(BackupType::User),
        backup_size_bytes: Some(row.size_bytes),
    }
}
