//! Brings tables and indexes to where they are on their way to.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_dynamodb_contract::{IndexStatus, TableStatus};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Dynamodb;
use crate::engine::Engine;
use crate::lookup::arn_key;
use crate::state::{Restored, TableKey, TableRow};

/// The controller `dynamodb.tables`.
pub struct Tables(pub(crate) Arc<Dynamodb>);

/// Names a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName(TableKey);

/// One deed on a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// All that it asked for is there: it is active.
    Activate(TableName),
    /// Copy the items that it is restored with.
    Restore(TableName),
    /// Remove its items, then its row.
    Remove(TableName),
    /// Forget what its items were before: nobody asks any more.
    DropPast(TableName),
    /// Write the entries of a new index.
    Backfill(TableName, u32),
    /// Remove the entries of an index, then the index.
    DropIndex(TableName, u32),
    /// Note the expiries of items that were there before.
    BackfillExpiries(TableName),
    /// Forget the expiries of an attribute that is none any more.
    DropExpiries(TableName),
    /// Encrypt it as was asked.
    Encrypt(TableName),
    /// Bring the streams that its changes go to to where they are on their way to.
    SettleCaptures(TableName),
}

impl Controller for Tables {
    type Key = TableName;
    type Step = Advance;
    const NAME: &'static str = "dynamodb.tables";

    fn keys(&self, changes: &ChangeSet) -> Vec<TableName> {
        changes.keys::<TableRow>().into_iter().map(TableName).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<TableName> {
        snapshot.all::<TableRow>().map(|row| TableName(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &TableName, _now: Timestamp) -> Plan<Advance> {
        match snapshot.get::<TableRow>(&key.0) {
            Some(row) => plan(&row, key),
            None => Plan::default(),
        }
    }

    async fn act(&self, step: Advance, cx: &ActCx) -> Result<(), ActError> {
        let engine = &self.0.engine;
        match step {
            Advance::Activate(key) => {
                change(cx, &key, |row| row.status = TableStatus::Active).await?;
                tell_of_end(engine, cx, &key);
            }
            Advance::Restore(key) => {
                engine.restore(&key.0, cx.clock.now()).await.map_err(ActError::transient)?;
                end_restore(cx, &key).await?;
                if let Some(table) = cx.ledger.snapshot().get::<TableRow>(&key.0) {
                    self.0.meter_restore(&table, cx.clock.now());
                }
            }
            Advance::Remove(key) => remove(engine, cx, &key).await?,
            Advance::DropPast(key) => drop_past(engine, cx, &key).await?,
            Advance::Backfill(key, number) => {
                engine.backfill(&key.0, number).await.map_err(ActError::transient)?;
                change(cx, &key, |row| {
                    let index = row.indexes.iter_mut().find(|index| index.number == number);
                    index.into_iter().for_each(|index| index.status = IndexStatus::Active);
                })
                .await?;
            }
            Advance::DropIndex(key, number) => {
                engine.drop_index(&key.0, number).await.map_err(ActError::transient)?;
                change(cx, &key, |row| {
                    row.indexes.retain(|index| index.number != number);
                    row.forget_attributes();
                })
                .await?;
            }
            Advance::SettleCaptures(key) => {
                change(cx, &key, |row| {
                    for capture in &mut row.captures {
                        capture.status = capture.settled().unwrap_or(capture.status);
                    }
                })
                .await?;
            }
            Advance::Encrypt(key) => {
                change(cx, &key, |row| {
                    if let Some(update) = row.sse_update.take() {
                        row.sse = update.to;
                    }
                })
                .await?;
            }
            Advance::BackfillExpiries(key) => {
                engine.backfill_expiries(&key.0).await.map_err(ActError::transient)?;
                change(cx, &key, |row| row.ttl.is_ready = row.ttl.attribute.is_some()).await?;
            }
            Advance::DropExpiries(key) => {
                engine.drop_expiries(&key.0).await.map_err(ActError::transient)?;
                change(cx, &key, |row| row.ttl.is_ready = row.ttl.attribute.is_some()).await?;
            }
        }
        Ok(())
    }
}

/// What is left to do for a table, one deed at a time.
fn plan(row: &TableRow, key: &TableName) -> Plan<Advance> {
    let key = || key.clone();
    match row.status {
        // its import's end comes here again
        TableStatus::Creating if row.is_importing => return Plan::default(),
        // whoever still copies from it takes itself off its row, which comes here again
        TableStatus::Deleting if !row.copies.is_empty() => return Plan::default(),
        TableStatus::Deleting => return Plan::step(Advance::Remove(key())),
        TableStatus::Creating if row.restored.as_ref().is_some_and(Restored::is_under_way) => {
            return Plan::step(Advance::Restore(key()));
        }
        _ => {}
    }
    for index in &row.indexes {
        match index.status {
            IndexStatus::Deleting => return Plan::step(Advance::DropIndex(key(), index.number)),
            IndexStatus::Creating => return Plan::step(Advance::Backfill(key(), index.number)),
            _ => {}
        }
    }
    if row.captures.iter().any(|capture| capture.settled().is_some()) {
        return Plan::step(Advance::SettleCaptures(key()));
    }
    if row.sse_update.is_some() {
        return Plan::step(Advance::Encrypt(key()));
    }
    match (&row.ttl.attribute, row.ttl.is_ready) {
        (Some(_), false) => return Plan::step(Advance::BackfillExpiries(key())),
        (None, true) => return Plan::step(Advance::DropExpiries(key())),
        _ => {}
    }
    match row.status {
        TableStatus::Creating | TableStatus::Updating => Plan::step(Advance::Activate(key())),
        _ if row.has_past && !row.keeps_past() => Plan::step(Advance::DropPast(key())),
        _ => Plan::default(),
    }
}

/// Changes a table that is still there.
async fn change(cx: &ActCx, key: &TableName, work: impl Fn(&mut TableRow)) -> Result<(), ActError> {
    let committed = cx.ledger.write(|tx| {
        if let Some(row) = tx.get::<TableRow>(&key.0) {
            let mut row = TableRow::clone(&row);
            work(&mut row);
            tx.put(row);
        }
    });
    committed.durable().await?;
    Ok(())
}

/// Notes that all was copied, in the table and in the one that it was copied from.
async fn end_restore(cx: &ActCx, key: &TableName) -> Result<(), ActError> {
    let committed = cx.ledger.write(|tx| {
        let Some(row) = tx.get::<TableRow>(&key.0) else { return };
        let mut row = TableRow::clone(&row);
        let Some(from) = &mut row.restored else { return };
        (from.source, from.table) = (None, None);
        let source = arn_key(&from.table_arn).and_then(|source| tx.get::<TableRow>(&source));
        if let Some(source) = source.filter(|source| source.copies.contains(&row.id)) {
            let mut source = TableRow::clone(&source);
            source.copies.remove(&row.id);
            tx.put(source);
        }
        tx.put(row);
    });
    committed.durable().await?;
    Ok(())
}

/// What is kept from now on is for whoever asks from now on, and stays.
async fn drop_past(engine: &Arc<Engine>, cx: &ActCx, key: &TableName) -> Result<(), ActError> {
    // whoever knew the table as one that keeps its past has ended, in a moment that is over
    engine.locks.barrier();
    engine.settle(cx.clock.now()).await;
    // the clock before the row: what a copy needs that the row does not show yet is not earlier
    let before = cx.clock.now();
    let row = cx.ledger.snapshot().get::<TableRow>(&key.0);
    let Some(row) = row.filter(|row| !row.keeps_past()) else { return Ok(()) };
    engine.trim_past(row.id, before).await.map_err(ActError::transient)?;
    change(cx, key, |row| row.has_past = row.keeps_past()).await
}

async fn remove(engine: &Engine, cx: &ActCx, key: &TableName) -> Result<(), ActError> {
    let Some(row) = cx.ledger.snapshot().get::<TableRow>(&key.0) else { return Ok(()) };
    tell_of_end(engine, cx, key);
    engine.purge(row.id).await.map_err(ActError::transient)?;
    let committed = cx.ledger.write(|tx| {
        let found = tx.get::<TableRow>(&key.0);
        if found.is_some_and(|found| found.id == row.id && found.status == TableStatus::Deleting) {
            tx.remove::<TableRow>(&key.0);
        }
    });
    committed.durable().await?;
    Ok(())
}

/// Wakes the readers of a stream that takes no more records.
fn tell_of_end(engine: &Engine, cx: &ActCx, key: &TableName) {
    let row = cx.ledger.snapshot().get::<TableRow>(&key.0);
    let stream = row.as_ref().and_then(|row| row.stream.as_ref());
    if let Some(stream) = stream.filter(|stream| !stream.is_enabled) {
        engine.streams.tell(stream.id);
    }
}
