//! Events come onto a bus: which rules match, what is to be sent because of that.

use std::sync::Arc;

use haar_courier::{Lane, Letter};
use haar_kv::Batch;
use haar_ledger::Snapshot;
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde_json::Value;

use crate::Events;
use crate::delivery::Delivery;
use crate::refusal::not_kept;
use crate::state::{BusKey, RuleRow};

/// One event on its way onto a bus.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) bus: BusKey,
    pub(crate) event: Value,
    /// When it came onto its first bus.
    pub(crate) ingested_at: Timestamp,
    /// Buses that it came from.
    pub(crate) hop_count: u32,
}

impl Events {
    /// Sends events to the targets of all rules that they match. On disk when it resolves.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) async fn publish(&self, publications: Vec<Publication>) -> Result<(), AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let letters: Vec<Letter> = publications
            .iter()
            .flat_map(|publication| self.letters(&snapshot, publication))
            .collect();
        if letters.is_empty() {
            return Ok(());
        }
        let courier = self.courier()?;
        let mut batch = Batch::new();
        let staged = courier.stage(&mut batch, letters);
        self.doors.kv.apply(batch).map_err(not_kept)?;
        courier.dispatch(staged);
        self.doors.kv.sync().await.map_err(not_kept)
    }

    fn letters(&self, snapshot: &Snapshot, publication: &Publication) -> Vec<Letter> {
        let Publication { bus, event, .. } = publication;
        let watching = self.compiled.of(snapshot, bus);
        let mut letters = Vec::new();
        for rule in watching.matching(event) {
            self.measure.matched(&rule.key, publication.ingested_at);
            letters.extend(letters_of(rule, publication));
        }
        letters
    }
}

/// What one rule sends because of an event: a letter to each target.
pub(crate) fn letters_of(
    rule: &Arc<RuleRow>,
    publication: &Publication,
) -> impl Iterator<Item = Letter> {
    rule.targets.iter().map(|target| {
        let delivery = Delivery {
            rule: rule.key.clone(),
            target: target.clone(),
            role_arn: target.role_arn.clone().or_else(|| rule.role_arn.clone()),
            event: publication.event.clone(),
            ingested_at: publication.ingested_at,
            hop_count: publication.hop_count,
        };
        Letter::new(Lane::Shared(target.arn.clone()), delivery.to_bytes())
    })
}
