//! Events come onto a bus: which rules match, what is to be sent because of that.

use std::cell::OnceCell;
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
use crate::refusal::not_kept;
use crate::state::{ArchiveRow, BusKey, RuleKey, RuleRow};

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
    /// True for a rule that is to hear of it: all but those that a replay leaves out.
    fn is_for(&self, rule: &RuleRow) -> bool {
        let filters = self.replayed.as_ref().map(|replayed| &replayed.filter_arns);
        filters.is_none_or(|arns| arns.is_empty() || arns.contains(&rule.key.arn()))
    }

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
    pub(crate) async fn publish(&self, publications: &[Publication]) -> Result<(), AwsError> {
        match self.stage(publications)? {
            true => self.doors.kv.sync().await.map_err(not_kept),
            false => Ok(()), // nobody wants to hear of it
        }
    }

    /// Archives events and has them carried; false where there is nothing to write.
    fn stage(&self, publications: &[Publication]) -> Result<bool, AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let (mut batch, mut letters, mut counting) = (Batch::new(), Vec::new(), None);
        for publication in publications {
            let watching = self.compiled.of(&snapshot, &publication.bus);
            let text = OnceCell::new();
            let text = || text.get_or_init(|| publication.text());
            // One that comes out of an archive is not kept again.
            let keeping = watching.keeping(&publication.event);
            for archive in keeping.filter(|_| publication.replayed.is_none()) {
                let counting = counting.get_or_insert_with(|| self.archived.counting());
                let at = publication.ingested_at;
                let size = counting.put(&mut batch, archive.id, at, text().get());
                self.bill_archived(archive, at, size);
            }
            for rule in watching.matching(&publication.event) {
                if publication.is_for(rule) {
                    self.measure.matched(&rule.key, publication.ingested_at);
                    letters.extend(letters_of(rule, publication, text()));
                }
            }
        }
        if letters.is_empty() && batch.is_empty() {
            return Ok(false);
        }
        if let Some(counting) = &counting {
            counting.note(&mut batch).map_err(not_kept)?;
        }
        let courier = self.courier()?;
        let staged = courier.stage(&mut batch, letters);
        self.doors.kv.apply(batch).map_err(not_kept)?;
        courier.dispatch(staged);
        Ok(true)
    }

    fn bill_archived(&self, archive: &ArchiveRow, at: Timestamp, size: u64) {
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
