//! Removes archived events: those that are too old, and those of archives that are gone.

use std::sync::Arc;
use std::time::Duration;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Events;
use crate::state::{ArchiveRow, GoneRow, NameKey};

/// How often an archive is looked through. *Ours*: AWS says up to a day later.
const SWEPT_EVERY: Duration = Duration::from_secs(6 * 3600);
/// A day of retention.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The controller `events.archives`.
pub struct Archives(pub(crate) Arc<Events>);

/// Names an archive that is there, or the events of one that is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveStep(Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    There(NameKey),
    Gone(u64),
}

impl Controller for Archives {
    type Key = ArchiveStep;
    type Step = ArchiveStep;
    const NAME: &'static str = "events.archives";

    fn keys(&self, changes: &ChangeSet) -> Vec<ArchiveStep> {
        let there = changes.keys::<ArchiveRow>().into_iter().map(Kind::There);
        let gone = changes.keys::<GoneRow>().into_iter().map(Kind::Gone);
        there.chain(gone).map(ArchiveStep).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<ArchiveStep> {
        let there = snapshot.all::<ArchiveRow>().map(|row| Kind::There(row.key.clone()));
        let gone = snapshot.all::<GoneRow>().map(|row| Kind::Gone(row.id));
        there.chain(gone).map(ArchiveStep).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &ArchiveStep, now: Timestamp) -> Plan<ArchiveStep> {
        match &key.0 {
            Kind::Gone(id) if snapshot.contains::<GoneRow>(id) => Plan::step(key.clone()),
            Kind::Gone(_) => Plan::default(),
            Kind::There(name) => match snapshot.get::<ArchiveRow>(name) {
                Some(row) if row.retention_days > 0 => {
                    let due_at = row.swept_at + SWEPT_EVERY;
                    match now >= due_at {
                        true => Plan::step(key.clone()),
                        false => Plan::default().wake_at(due_at),
                    }
                }
                _ => Plan::default(),
            },
        }
    }

    async fn act(&self, step: ArchiveStep, cx: &ActCx) -> Result<(), ActError> {
        let failed = |error: haar_kv::KvError| ActError::transient(error.to_string());
        let now = cx.clock.now();
        let committed = match step.0 {
            Kind::Gone(id) => {
                self.0.archived.purge(id).map_err(failed)?;
                cx.ledger.write(|tx| drop(tx.remove::<GoneRow>(&id)))
            }
            Kind::There(name) => {
                let Some(row) = cx.ledger.snapshot().get::<ArchiveRow>(&name) else {
                    return Ok(());
                };
                let before = now - DAY * row.retention_days;
                self.0.archived.expire(row.id, before).map_err(failed)?;
                cx.ledger.write(|tx| {
                    tx.update::<ArchiveRow>(&name, |row| row.swept_at = now);
                })
            }
        };
        committed.durable().await?;
        Ok(())
    }
}
