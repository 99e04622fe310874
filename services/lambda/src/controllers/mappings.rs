//! Event source mappings on their way: to be polled, not to be, or to be gone.

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::state::{EventSourceMappingKey, EventSourceMappingRow, MappingState};

/// Settles mappings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mappings;

/// One deed for a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingStep {
    /// Record the state that was under way.
    Record(EventSourceMappingKey, MappingState),
    /// Remove the row.
    Remove(EventSourceMappingKey),
}

impl Controller for Mappings {
    type Key = EventSourceMappingKey;
    type Step = MappingStep;
    const NAME: &'static str = "lambda.mappings";

    fn keys(&self, changes: &ChangeSet) -> Vec<EventSourceMappingKey> {
        changes
            .rows::<EventSourceMappingRow>()
            .filter_map(|(_, new)| new)
            .map(|row| row.key.clone())
            .collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<EventSourceMappingKey> {
        snapshot.all::<EventSourceMappingRow>().map(|row| row.key.clone()).collect()
    }

    fn plan(
        &self,
        snapshot: &Snapshot,
        key: &EventSourceMappingKey,
        _now: Timestamp,
    ) -> Plan<MappingStep> {
        let Some(row) = snapshot.get::<EventSourceMappingRow>(key) else {
            return Plan::default();
        };
        let reached = if row.enabled { MappingState::Enabled } else { MappingState::Disabled };
        match row.state {
            MappingState::Deleting => Plan::step(MappingStep::Remove(key.clone())),
            state if state == reached => Plan::default(),
            _ => Plan::step(MappingStep::Record(key.clone(), reached)),
        }
    }

    async fn act(&self, step: MappingStep, cx: &ActCx) -> Result<(), ActError> {
        let committed = cx.ledger.transact(|tx| {
            match &step {
                MappingStep::Record(key, reached) => {
                    let row = tx.get::<EventSourceMappingRow>(key);
                    if row.is_some_and(|row| row.state != MappingState::Deleting) {
                        tx.update::<EventSourceMappingRow>(key, |row| row.state = *reached);
                    }
                }
                MappingStep::Remove(key) => {
                    tx.remove::<EventSourceMappingRow>(key);
                }
            }
            Ok::<_, ActError>(())
        })?;
        committed.durable().await?;
        Ok(())
    }
}
