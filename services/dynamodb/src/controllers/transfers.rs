//! Brings exports and imports to their end.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_dynamodb_contract::{ExportStatus, ImportStatus, TableStatus};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Dynamodb;
use crate::state::{ExportRow, ImportRow, TableRow, TransferKey};
use crate::transfers::lasting;

/// The controller `dynamodb.exports`.
pub struct Exports(pub(crate) Arc<Dynamodb>);

/// The controller `dynamodb.imports`.
pub struct Imports(pub(crate) Arc<Dynamodb>);

/// Names an export or an import, which is all that is to be done of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransferName(TransferKey);

impl Controller for Exports {
    type Key = TransferName;
    type Step = TransferName;
    const NAME: &'static str = "dynamodb.exports";

    fn keys(&self, changes: &ChangeSet) -> Vec<TransferName> {
        changes.keys::<ExportRow>().into_iter().map(TransferName).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<TransferName> {
        snapshot.all::<ExportRow>().map(|row| TransferName(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &TransferName, _now: Timestamp) -> Plan<TransferName> {
        match snapshot.get::<ExportRow>(&key.0).map(|row| row.status) {
            Some(ExportStatus::InProgress) => Plan::step(key.clone()),
            _ => Plan::default(),
        }
    }

    async fn act(&self, step: TransferName, cx: &ActCx) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<ExportRow>(&step.0) else { return Ok(()) };
        let exported = self.0.export(&row, cx.clock.now()).await;
        let failure = match &exported {
            Ok(_) => None,
            Err(error) => Some(lasting(error).ok_or_else(|| ActError::transient(error))?),
        };
        let (done, now) = (exported.unwrap_or_default(), cx.clock.now());
        let committed = cx.ledger.write(|tx| {
            let (account, region, name, _) = row.key.clone();
            tx.update::<ExportRow>(&row.key, |row| {
                row.status = match failure {
                    None => ExportStatus::Completed,
                    Some(_) => ExportStatus::Failed,
                };
                (row.item_count, row.size_bytes) = (done.item_count, done.size_bytes);
                (row.ended_at, row.failure) = (Some(now), failure);
            });
            tx.update::<TableRow>(&(account, region, name), |table| {
                table.copies.remove(&row.id);
            });
        });
        committed.durable().await?;
        self.0.meter_transfer(&row.key, ("kib-exported", done.size_bytes), now);
        Ok(())
    }
}

impl Controller for Imports {
    type Key = TransferName;
    type Step = TransferName;
    const NAME: &'static str = "dynamodb.imports";

    fn keys(&self, changes: &ChangeSet) -> Vec<TransferName> {
        changes.keys::<ImportRow>().into_iter().map(TransferName).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<TransferName> {
        snapshot.all::<ImportRow>().map(|row| TransferName(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &TransferName, _now: Timestamp) -> Plan<TransferName> {
        match snapshot.get::<ImportRow>(&key.0).map(|row| row.status) {
            Some(ImportStatus::InProgress) => Plan::step(key.clone()),
            _ => Plan::default(),
        }
    }

    async fn act(&self, step: TransferName, cx: &ActCx) -> Result<(), ActError> {
        let snapshot = cx.ledger.snapshot();
        let Some(row) = snapshot.get::<ImportRow>(&step.0) else { return Ok(()) };
        let (account, region, name, _) = row.key.clone();
        let table_key = (account, region, name);
        let Some(table) = snapshot.get::<TableRow>(&table_key) else { return Ok(()) };
        let imported = self.0.import(&row, &table, cx.clock.now()).await;
        let failure = match &imported {
            Ok(_) => None,
            Err(error) => Some(lasting(error).ok_or_else(|| ActError::transient(error))?),
        };
        let (counts, now) = (imported.unwrap_or_default(), cx.clock.now());
        let committed = cx.ledger.write(|tx| {
            let has_failed = failure.is_some();
            tx.update::<ImportRow>(&row.key, |row| {
                row.status = match has_failed {
                    false => ImportStatus::Completed,
                    true => ImportStatus::Failed,
                };
                (row.counts, row.ended_at, row.failure) = (counts, Some(now), failure);
            });
            tx.update::<TableRow>(&table_key, |table| {
                table.is_importing = false;
                if has_failed {
                    table.status = TableStatus::Deleting; // *Ours*: nothing is left of it
                }
            });
        });
        committed.durable().await?;
        self.0.meter_transfer(&row.key, ("kib-imported", counts.bytes), now);
        Ok(())
    }
}
