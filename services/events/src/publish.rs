//! Events come onto a bus: which rules match, what is to be sent because of that.

use std::sync::{Arc, OnceLock};

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
use crate::delivery::{Delivery, is_prompt};
use crate::refusal::not_kept;
use crate::state::{ArchiveRow, BusKey, RuleKey, RuleRow};

/// One event on its way onto a bus.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) bus: BusKey,
    pub(crate) event: Arc<Value>,
    /// When it came onto its first bus.
    pub(crate) ingested_at: Timestamp,
    /// Buses that it came from.
    pub(crate) hop_count: u32,
    /// The replay that it comes from.
    pub(crate) replayed: Option<Arc<Replayed>>,
    /// The event as it is written, once that is asked for.
    text: OnceLock<Box<RawValue>>,
}

/// A replay, as its events know it.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// Rules that hear of them; empty: all.
    pub(crate) filter_arns: Vec<String>,
}

impl Publication {
    /// An event that comes onto its first bus.
    pub(crate) fn new(bus: BusKey, event: Arc<Value>, ingested_at: Timestamp) -> Self {
        let text = OnceLock::new();
        Self { bus, event, ingested_at, hop_count: 0, replayed: None, text }
    }

    /// True for a rule that is to hear of it: all but those that a replay leaves out.
    fn is_for(&self, rule: &RuleRow) -> bool {
        let filters = self.replayed.as_ref().map(|replayed| &replayed.filter_arns);
        filters.is_none_or(|arns| arns.is_empty() || arns.contains(&rule.key.arn()))
    }

    /// The event as it is written.
    fn text(&self) -> &RawValue {
        let written = || to_raw_value(&*self.event).expect("an event is plain data");
        self.text.get_or_init(written)
    }
}

impl Events {
    /// Sends events to the targets of all rules that they match. What was not delivered yet is on
    /// disk when it resolves.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) async fn publish(&self, publications: &[Publication]) -> Result<(), AwsError> {
        let Work { prompt, mut is_written } = self.stage(publications)?;
        if !prompt.is_empty() {
            let left = self.send_promptly(prompt).await;
            is_written |= !left.is_empty();
            self.write(Batch::new(), left)?;
        }
        match is_written {
            true => self.doors.kv.sync().await.map_err(not_kept),
            false => Ok(()),
        }
    }

    /// Archives events and has them carried.
    fn stage(&self, publications: &[Publication]) -> Result<Work, AwsError> {
        let snapshot = self.doors.ledger.snapshot();
        let (mut batch, mut letters, mut counting) = (Batch::new(), Vec::new(), None);
        let mut prompt = Vec::new();
        for publication in publications {
            let watching = self.compiled.of(&snapshot, &publication.bus);
            // One that comes out of an archive is not kept again.
            let keeping = watching.keeping(&publication.event);
            for archive in keeping.filter(|_| publication.replayed.is_none()) {
                let counting = counting.get_or_insert_with(|| self.archived.counting());
                let at = publication.ingested_at;
                let size = counting.put(&mut batch, archive.id, at, publication.text().get());
                self.bill_archived(archive, at, size);
            }
            for rule in watching.matching(&publication.event) {
                if publication.is_for(rule) {
                    self.measure.matched(&rule.key, publication.ingested_at);
                    letters.extend(letters_of(rule, publication, |it| !is_prompt(it)));
                    prompt.extend(prompt_of(rule, publication));
                }
            }
        }
        if let Some(counting) = &counting {
            counting.note(&mut batch).map_err(not_kept)?;
        }
        let is_written = !(letters.is_empty() && batch.is_empty());
        self.write(batch, letters)?;
        Ok(Work { prompt, is_written })
    }

    /// Writes a batch, with letters that are carried from then on. Not on disk yet.
    fn write(&self, mut batch: Batch, letters: Vec<Letter>) -> Result<(), AwsError> {
        if letters.is_empty() && batch.is_empty() {
            return Ok(());
        }
        let courier = self.courier()?;
        let staged = courier.stage(&mut batch, letters);
        self.doors.kv.apply(batch).map_err(not_kept)?;
        courier.dispatch(staged);
        Ok(())
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

/// What events ask for.
struct Work {
    /// To be sent at once.
    prompt: Vec<Delivery>,
    /// The rest was written, and is to be flushed.
    is_written: bool,
}

/// A [`Delivery`] as it is written, from what others own.
#[derive(Serialize)]
struct Written<'a> {
    rule: &'a RuleKey,
    target: &'a Target,
    role_arn: Option<&'a str>,
    event: &'a RawValue,
    ingested_at: Timestamp,
    hop_count: u32,
}

/// What one rule sends because of an event: a letter to each target that is wanted.
pub(crate) fn letters_of<'a>(
    rule: &'a RuleRow,
    publication: &'a Publication,
    is_wanted: impl Fn(&Target) -> bool + 'a,
) -> impl Iterator<Item = Letter> + 'a {
    rule.targets.iter().filter(move |target| is_wanted(target)).map(move |target| {
        let written = Written {
            rule: &rule.key,
            target,
            role_arn: role_of(rule, target),
            event: publication.text(),
            ingested_at: publication.ingested_at,
            hop_count: publication.hop_count,
        };
        let payload = serde_json::to_vec(&written).expect("a delivery is plain data");
        Letter::new(&rule.key.bus.account, Lane::Shared(target.arn.clone()), payload)
    })
}

/// What one rule sends at once.
fn prompt_of<'a>(
    rule: &'a RuleRow,
    publication: &'a Publication,
) -> impl Iterator<Item = Delivery> + 'a {
    rule.targets.iter().filter(|target| is_prompt(target)).map(move |target| Delivery {
        rule: rule.key.clone(),
        target: target.clone(),
        role_arn: role_of(rule, target).map(str::to_owned),
        event: Arc::clone(&publication.event),
        ingested_at: publication.ingested_at,
        hop_count: publication.hop_count,
        given_up: None,
    })
}

/// The role of the target, else of the rule.
fn role_of<'a>(rule: &'a RuleRow, target: &'a Target) -> Option<&'a str> {
    target.role_arn.as_deref().or(rule.role_arn.as_deref())
}
