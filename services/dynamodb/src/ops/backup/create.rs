//! `CreateBackup` and `DeleteBackup`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    BackupInUseException, BackupStatus, CreateBackup, CreateBackupInput, CreateBackupOutput,
    DeleteBackup, DeleteBackupInput, DeleteBackupOutput, TableNotFoundException,
};
use haar_kernel::{Answer, Call, Flow};

use super::{description, details, no_backup};
use crate::Dynamodb;
use crate::lookup::table_key;
use crate::ops::table::create::mint;
use crate::refusal::fault;
use crate::state::{BackupRow, Restored, TableRow};

/// AWS docs: *Amazon DynamoDB API Reference > CreateBackup*.
impl Flow<CreateBackup> for Dynamodb {
    async fn flow(self: Arc<Self>, call: Call, input: CreateBackupInput) -> Answer<CreateBackup> {
        let key = table_key(&call, &input.table_name)?;
        let table = self.engine.table(&key).map_err(|_| {
            TableNotFoundException::message(format!("Table not found: {}", input.table_name))
        })?;
        let id = mint(&call);
        let (item_count, size_bytes) = self.engine.counts(table.id, 0);
        self.engine.back_up(table.id, id).await.map_err(|error| fault(&error))?;
        let (account, region, name) = key;
        let row = BackupRow {
            key: (account, region, name, format!("{:014}-{}", call.now.0, call.ids.hex(8))),
            id,
            name: input.backup_name,
            status: BackupStatus::Available,
            created_at: call.now,
            table: (*table).clone(),
            item_count,
            size_bytes,
        };
        // AWS answers before it is through; whoever asks again finds it available
        let details = details(&row, BackupStatus::Creating);
        self.commit(|tx| {
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
        let key = BackupRow::key_of(&arn).ok_or_else(|| no_backup(&arn))?;
        let row = self
            .commit(|tx| {
                let row = tx.get::<BackupRow>(&key).ok_or_else(|| no_backup(&arn))?;
                let reads = |restored: &Restored| restored.source == Some(row.id);
                if tx.all::<TableRow>().any(|table| table.restored.as_ref().is_some_and(reads)) {
                    let text = format!("Backup is being used: {arn}");
                    return Err(BackupInUseException::message(text).into());
                }
                tx.remove::<BackupRow>(&key);
                Ok(row)
            })
            .await?;
        self.engine.drop_backup(row.id).await.map_err(|error| fault(&error))?;
        let description = description(&row, BackupStatus::Deleted);
        Ok(DeleteBackupOutput { backup_description: Some(description) })
    }
}
