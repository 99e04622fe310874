//! Events come onto a bus: which rules match, what is to be sent because of that.

use std::sync::Arc;

use haar_courier::{Lane, Letter};
use haar_events_contract::model::Target;
use haar_kernel::UsageRecord;
use haar_kv::Batch;
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::Events;
use crate::matching::Watching;
use crate::refusal::not_kept;
use crate::state::{BusKey, RuleKey, RuleRow};

/// One event on its way onto a bus.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) bus: BusKey,
    pub(crate) event: Value,
    /// When it came onto its first bus.
    pub(crate) ingested_at: Timestamp,
    /// Buses that it came from.
    pub(crate) hop_count: u32,
    /// The replay that it comes from.
    pub(crate) replayed: Option<Arc<Replayed>>,
}

/// A replay, as its events know it.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// Rules that hear of them; empty: all.
    pub(crate) filter_arns: Vec<String>,
}

impl Publication {
    /// The event as it is written.
    pub(crate) fn text(&self) -> Box<RawValue> {
        to_raw_value(&self.event).expect("an event is plain data")
    }
}

impl Events {
    /// Sends events to the targets of all rules that they match. On disk when it resolves.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) async fn publish(&self, publications: Vec<Publication>) -> Result<(), AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let mut batch = Batch::new();
        let mut letters = Vec::new();
        for publication in &publications {
            let watching = self.compiled.of(&snapshot, &publication.bus);
            self.archive(&watching, publication, &mut batch);
            letters.extend(self.letters(&watching, publication));
        }
        if letters.is_empty() && batch.is_empty() {
            return Ok(());
        }
        let courier = self.courier()?;
        let staged = courier.stage(&mut batch, letters);
        self.doors.kv.apply(batch).map_err(not_kept)?;
        courier.dispatch(staged);
        self.doors.kv.sync().await.map_err(not_kept)
    }

    fn letters(&self, watching: &Watching, publication: &Publication) -> Vec<Letter> {
        let mut letters = Vec::new();
        let mut text = None;
        for rule in watching.matching(&publication.event) {
            let filters = publication.replayed.as_ref().map(|replayed| &replayed.filter_arns);
            if filters.is_some_and(|arns| !arns.is_empty() && !arns.contains(&rule.key.arn())) {
                continue;
            }
            self.measure.matched(&rule.key, publication.ingested_at);
            let text = text.get_or_insert_with(|| publication.text());
            letters.extend(letters_of(rule, publication, text));
        }
        letters
    }

    /// Keeps an event in the archives that want it; one that comes out of an archive is not
    /// kept again.
    fn archive(&self, watching: &Watching, publication: &Publication, batch: &mut Batch) {
        if publication.replayed.is_some() {
            return;
        }
        for archive in watching.keeping(&publication.event) {
            let (at, text) = (publication.ingested_at, publication.event.to_string());
            let size = self.archived.put(batch, archive.id, at, &text);
            self.doors.meter.record(UsageRecord {
                account: archive.key.account.clone(),
                region: archive.key.region.clone(),
                at,
                service: "events",
                resource: archive.key.name.clone(),
                quantities: vec![("archived-kib", size.div_ceil(1024))],
            });
        }
    }
}

/// A [`Delivery`](crate::delivery::Delivery) as it is written, from what others own.
#[derive(Serialize)]
struct Written<'a> {
    rule: &'a RuleKey,
    target: &'a Target,
    role_arn: Option<&'a str>,
    event: &'a RawValue,
    ingested_at: Timestamp,
    hop_count: u32,
}

/// What one rule sends because of an event: a letter to each target. `text` is the event's.
pub(crate) fn letters_of(
    rule: &RuleRow,
    publication: &Publication,
    text: &RawValue,
) -> impl Iterator<Item = Letter> {
    rule.targets.iter().map(move |target| {
        let written = Written {
            rule: &rule.key,
            target,
            role_arn: target.role_arn.as_deref().or(rule.role_arn.as_deref()),
            event: text,
            ingested_at: publication.ingested_at,
            hop_count: publication.hop_count,
        };
        let payload = serde_json::to_vec(&written).expect("a delivery is plain data");
        Letter::new(Lane::Shared(target.arn.clone()), payload)
    })
}
