//! Events that senders put.

use std::collections::BTreeMap;
use std::sync::Arc;

use haar_events_contract::model::{
    PutEvents, PutEventsRequest, PutEventsRequestEntry, PutEventsResponse, PutEventsResultEntry,
};
use haar_kernel::{Answer, Auth, Call, Flow, Question, Room as _, UsageRecord};

use crate::Events;
use crate::lookup::get_bus;
use crate::publish::Publication;
use crate::refusal::{invalid, not_found};
use crate::rules::event::{ENTRIES_SIZE_MAX, Origin, Rejection, build, read, size};
use crate::state::BusKey;

/// A source or a detail type, where an entry has one.
type Named = Option<String>;

/// An event is billed by pieces of this size.
const BILLED_SIZE: usize = 64 * 1024;

impl Flow<PutEvents> for Events {
    async fn flow(self: Arc<Self>, call: Call, input: PutEventsRequest) -> Answer<PutEvents> {
        if let Some(endpoint) = &input.endpoint_id {
            return Err(not_found(format!("Endpoint '{endpoint}' does not exist.")));
        }
        let total: usize = input.entries.iter().map(size).sum();
        if total > ENTRIES_SIZE_MAX {
            return Err(invalid("Total size of the entries in the request is over the limit."));
        }
        let mut denials = self.denials(&call, &input.entries).into_iter();
        let (mut publications, mut results, mut pieces) = (Vec::new(), Vec::new(), 0);
        let snapshot = self.doors.ledger.snapshot();
        for entry in input.entries {
            let billed = size(&entry).div_ceil(BILLED_SIZE).max(1);
            let denial = denials.next().flatten();
            match denial.map_or_else(|| publication(&call, entry), Err) {
                Err((code, text)) => results.push(rejected(code, text)),
                Ok((id, publication)) => {
                    pieces += billed;
                    results.push(PutEventsResultEntry {
                        event_id: Some(id),
                        ..PutEventsResultEntry::default()
                    });
                    // Nobody hears of a bus that is not there; AWS says no more.
                    if get_bus(&snapshot, &publication.bus).is_some() {
                        publications.push(publication);
                    }
                }
            }
        }
        self.publish(&publications).await?;
        let failed = results.iter().filter(|result| result.error_code.is_some()).count();
        let own = BusKey::own(&call, "");
        self.measure.put(&own, results.len(), failed, call.now);
        self.bill(&call, pieces);
        Ok(PutEventsResponse {
            failed_entry_count: Some(i32::try_from(failed).unwrap_or(i32::MAX)),
            entries: Some(results),
        })
    }
}

/// An entry's event and its id.
fn publication(
    call: &Call,
    entry: PutEventsRequestEntry,
) -> Result<(String, Publication), Rejection> {
    let bus = BusKey::read(call, entry.event_bus_name.as_deref());
    let content = read(entry)?;
    let id = call.ids.uuid();
    let (account, region) = (&call.account, &bus.region);
    let event = build(Origin { id: &id, account, region, now: call.now }, content);
    Ok((id, Publication::new(bus, Arc::new(event), call.now)))
}

fn rejected(code: &str, text: String) -> PutEventsResultEntry {
    PutEventsResultEntry {
        event_id: None,
        error_code: Some(code.to_owned()),
        error_message: Some(text),
    }
}

impl Events {
    /// Weighs each entry by itself: the gate has seen the sources of all together, of which a
    /// policy that names one lets pass the others too. AWS docs: *PutEventsResultEntry*.
    fn denials(&self, call: &Call, entries: &[PutEventsRequestEntry]) -> Vec<Option<Rejection>> {
        if self.doors.settings.auth == Auth::Permissive || entries.len() < 2 {
            return Vec::new(); // the gate has weighed it
        }
        let mut known = BTreeMap::new();
        let mut may = |bus: &str, source: &Named, detail_type: &Named| {
            let question = (bus.to_owned(), source.clone(), detail_type.clone());
            *known.entry(question).or_insert_with(|| self.may_put(call, bus, source, detail_type))
        };
        let denial = |entry: &PutEventsRequestEntry| {
            let bus = BusKey::read(call, entry.event_bus_name.as_deref()).arn();
            let (source, kind) = (&entry.source, &entry.detail_type);
            if may(&bus, source, kind) {
                return None;
            }
            // What another source, or another type, of this request would have let pass.
            let by_source = entries.iter().any(|other| may(&bus, &other.source, kind));
            let by_kind = entries.iter().any(|other| may(&bus, source, &other.detail_type));
            let (code, what) = match (by_source, by_kind) {
                (true, _) => ("NotAuthorizedForSourceException", "publish events with this source"),
                (false, true) => {
                    ("NotAuthorizedForDetailTypeException", "publish events with this detail type")
                }
                (false, false) => ("AccessDeniedException", "publish these events"),
            };
            Some((code, format!("You do not have permissions to {what} onto this event bus.")))
        };
        entries.iter().map(denial).collect()
    }

    fn may_put(&self, call: &Call, bus: &str, source: &Named, detail_type: &Named) -> bool {
        let named = [("events:source", source), ("events:detail-type", detail_type)];
        let mut keys: Vec<(String, Vec<String>)> = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), vec![value.clone()?])))
            .collect();
        let snapshot = self.doors.ledger.snapshot();
        keys.extend(self.resource_keys(call, &snapshot, bus));
        let policy = self.resource_policy(call, &snapshot, bus);
        let question = Question { action: "events:PutEvents", resource: bus, policy, keys: &keys };
        self.doors.authorise(call, &question).is_ok()
    }

    fn bill(&self, call: &Call, pieces: usize) {
        if pieces > 0 {
            self.doors.meter.record(UsageRecord {
                account: call.account.clone(),
                region: call.region.clone(),
                at: call.now,
                service: "events",
                resource: "custom-events".to_owned(),
                quantities: vec![("events/custom", pieces as u64)],
            });
        }
    }
}
