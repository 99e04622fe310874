//! `CreateBackup` and `DeleteBackup`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    BackupStatus, CreateBackup, CreateBackupInput, CreateBackupOutput, DeleteBackup,
    DeleteBackupInput, DeleteBackupOutput, TableNotFoundException,
};
use haar_kernel::{Answer, Call, Flow};
use haar_wire::AwsError;

use super::{backup_in_use, description, details, find_backup};
use crate::Dynamodb;
use crate::lookup::table_key;
use crate::ops::table::create::mint;
use crate::state::{BackupRow, Restored, TableRow};

/// AWS docs: *Amazon DynamoDB API Reference > CreateBackup*.
impl Flow<CreateBackup> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: CreateBackupInput) -> Answer<CreateBackup> {
        let key = table_key(&call, &input.table_name)?;
        let table = self.engine.table(&key).map_err(|_| not_there(&input.table_name))?;
        let id = mint(&call);
        let (item_count, size_bytes) = self.engine.counts(table.id, 0);
        let (account, region, name) = key.clone();
        let row = BackupRow {
            key: (account, region, name, format!("{:014}-{}", call.now.0, call.ids.hex(8))),
            id,
            name: input.backup_name,
            status: BackupStatus::Creating,
            created_at: call.now,
            table: (*table).clone(),
            item_count,
            size_bytes,
        };
        let details = details(&row, row.status);
        self.commit(|tx| {
            let there = tx.get::<TableRow>(&key).filter(|it| it.id == table.id && it.serves());
            let mut table = TableRow::clone(&*there.ok_or_else(|| not_there(&input.table_name))?);
            table.begin_copy(id);
            tx.put(table);
            tx.put(row);
            Ok(())
        })
        .await?;
        Ok(CreateBackupOutput { backup_details: Some(details) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DeleteBackup*.
impl Flow<DeleteBackup> for Dynamodb {
    async fn flow(self: Arc<Self>, _call: Call, input: DeleteBackupInput) -> Answer<DeleteBackup> {
        let arn = input.backup_arn;
        let row = self
            .commit(|tx| {
                let row = find_backup(tx, &arn)?;
                let reads = |restored: &Restored| restored.source == Some(row.id);
                let is_read =
                    tx.all::<TableRow>().any(|table| table.restored.as_ref().is_some_and(reads));
                if row.status == BackupStatus::Creating || is_read {
                    return Err(backup_in_use(&arn));
                }
                // the controller removes its items, then the row
                tx.put(BackupRow { status: BackupStatus::Deleted, ..BackupRow::clone(&row) });
                Ok(row)
            })
            .await?;
        let description = description(&row, BackupStatus::Deleted);
        Ok(DeleteBackupOutput { backup_description: Some(description) })
    }
}

fn not_there(name: &str) -> AwsError {
    TableNotFoundException::message(format!("Table not found: {name}")).into()
}
