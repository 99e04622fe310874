//! Makes and removes what backups keep.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_dynamodb_contract::BackupStatus;
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Dynamodb;
use crate::state::{BackupKey, BackupRow, TableRow};

/// The controller `dynamodb.backups`.
pub struct Backups(pub(crate) Arc<Dynamodb>);

/// Names a backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName(BackupKey);

/// One deed on a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Copy the table's items, as they were when it was asked for.
    Copy(BackupName),
    /// Remove what it keeps, then its row.
    Remove(BackupName),
}

impl Controller for Backups {
    type Key = BackupName;
    type Step = Deed;
    const NAME: &'static str = "dynamodb.backups";

    fn keys(&self, changes: &ChangeSet) -> Vec<BackupName> {
        changes.keys::<BackupRow>().into_iter().map(BackupName).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<BackupName> {
        snapshot.all::<BackupRow>().map(|row| BackupName(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &BackupName, _now: Timestamp) -> Plan<Deed> {
        match snapshot.get::<BackupRow>(&key.0).map(|row| row.status) {
            Some(BackupStatus::Creating) => Plan::step(Deed::Copy(key.clone())),
            Some(BackupStatus::Deleted) => Plan::step(Deed::Remove(key.clone())),
            Some(BackupStatus::Available) | None => Plan::default(),
        }
    }

    async fn act(&self, step: Deed, cx: &ActCx) -> Result<(), ActError> {
        let engine = &self.0.engine;
        let (Deed::Copy(key) | Deed::Remove(key)) = &step;
        let Some(row) = cx.ledger.snapshot().get::<BackupRow>(&key.0) else { return Ok(()) };
        match step {
            Deed::Copy(_) => {
                let copied = engine.back_up(row.table.id, row.created_at, row.id).await;
                end_copy(cx, &row, copied.map_err(ActError::transient)?).await
            }
            Deed::Remove(_) => {
                engine.drop_backup(row.id).await.map_err(ActError::transient)?;
                let committed = cx.ledger.write(|tx| _ = tx.remove::<BackupRow>(&row.key));
                committed.durable().await?;
                Ok(())
            }
        }
    }
}

/// Notes that all was copied, in the backup and in its table.
async fn end_copy(cx: &ActCx, row: &BackupRow, count: u64) -> Result<(), ActError> {
    let committed = cx.ledger.write(|tx| {
        tx.update::<BackupRow>(&row.key, |row| {
            row.status = BackupStatus::Available;
            row.item_count = i64::try_from(count).unwrap_or(i64::MAX);
        });
        tx.update::<TableRow>(&row.table.key, |table| _ = table.copies.remove(&row.id));
    });
    committed.durable().await?;
    Ok(())
}
