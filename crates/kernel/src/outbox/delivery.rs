//! Handing told events over.

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use super::{Outbox, ToldKey, ToldRow};

/// Events that a listener is handed between two commits.
const BATCH: usize = 64;

/// Hands each listener the events that it has still to take, one after another.
#[derive(Debug)]
pub struct Delivery {
    outbox: Outbox,
}

/// One deed of [`Delivery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryStep {
    /// Hand over what this listener has not taken, from the oldest on.
    HandOver(String),
}

impl Delivery {
    /// The deliveries of an outbox.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox }
    }

    /// Hands over until one is refused; answers what was taken, and the refusal.
    async fn hand_over(&self, rows: Vec<ToldRow>) -> (Vec<ToldKey>, Result<(), ActError>) {
        let mut taken = Vec::new();
        for row in rows {
            let Some(hear) = self.outbox.find(&row) else {
                tracing::warn!(
                    listener = row.key.listener,
                    row.topic,
                    "nobody hears this any more"
                );
                taken.push(row.key);
                continue;
            };
            if let Err(refusal) = hear(&row).await {
                return (taken, Err(ActError::transient(refusal)));
            }
            taken.push(row.key);
        }
        (taken, Ok(()))
    }
}

/// The events that a listener has still to take, oldest first.
fn waiting<'a>(snapshot: &'a Snapshot, listener: &'a str) -> impl Iterator<Item = ToldRow> + 'a {
    let first = ToldKey { listener: listener.to_owned(), number: 0 };
    let rows = snapshot.range::<ToldRow>(first..);
    rows.take_while(move |row| row.key.listener == listener).map(|row| ToldRow::clone(&row))
}

impl Controller for Delivery {
    type Key = String;
    type Step = DeliveryStep;
    const NAME: &'static str = "kernel.delivery";

    fn keys(&self, changes: &ChangeSet) -> Vec<String> {
        let mut names: Vec<String> =
            changes.keys::<ToldRow>().into_iter().map(|key| key.listener).collect();
        names.dedup();
        names
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut names: Vec<String> =
            snapshot.all::<ToldRow>().map(|row| row.key.listener.clone()).collect();
        names.dedup();
        names
    }

    fn plan(&self, snapshot: &Snapshot, key: &String, _now: Timestamp) -> Plan<DeliveryStep> {
        match waiting(snapshot, key).next() {
            Some(_) => Plan::step(DeliveryStep::HandOver(key.clone())),
            None => Plan::default(),
        }
    }

    async fn act(&self, step: DeliveryStep, cx: &ActCx) -> Result<(), ActError> {
        let DeliveryStep::HandOver(listener) = step;
        let rows = waiting(&cx.ledger.snapshot(), &listener).take(BATCH).collect();
        let (taken, outcome) = self.hand_over(rows).await;
        let committed = cx.ledger.write(|tx| {
            for key in &taken {
                tx.remove::<ToldRow>(key);
            }
        });
        committed.durable().await?;
        outcome
    }
}
