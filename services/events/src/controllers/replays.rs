//! Replays archived events, some at a time.
//!
//! A crash between sending some and noting that sends them again: at least once, as AWS does.

use std::sync::Arc;

use haar_controller::{ActCx, ActError, Controller, Plan};
use haar_events_contract::model::ReplayState;
use haar_kernel::UsageRecord;
use haar_ledger::{ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::Events;
use crate::archive::ArchivedEvent;
use crate::publish::{Publication, Replayed};
use crate::state::{NameKey, ReplayRow};

/// Events that are replayed at once. *Ours*.
const CHUNK: usize = 100;

/// The controller `events.replays`.
pub struct Replays(pub(crate) Arc<Events>);

/// Moves a replay on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplayStep(NameKey);

impl Controller for Replays {
    type Key = ReplayStep;
    type Step = ReplayStep;
    const NAME: &'static str = "events.replays";

    fn keys(&self, changes: &ChangeSet) -> Vec<ReplayStep> {
        changes.keys::<ReplayRow>().into_iter().map(ReplayStep).collect()
    }

    fn all(&self, snapshot: &Snapshot) -> Vec<ReplayStep> {
        snapshot.all::<ReplayRow>().map(|row| ReplayStep(row.key.clone())).collect()
    }

    fn plan(&self, snapshot: &Snapshot, key: &ReplayStep, _now: Timestamp) -> Plan<ReplayStep> {
        match snapshot.get::<ReplayRow>(&key.0) {
            Some(row) if !row.is_over() => Plan::step(key.clone()),
            _ => Plan::default(),
        }
    }

    async fn act(&self, step: ReplayStep, cx: &ActCx) -> Result<(), ActError> {
        let Some(row) = cx.ledger.snapshot().get::<ReplayRow>(&step.0) else { return Ok(()) };
        let sent = match row.state {
            ReplayState::Running => self.send_some(&row).await?,
            _ => Vec::new(),
        };
        let now = cx.clock.now();
        let committed = cx.ledger.write(|tx| {
            tx.update::<ReplayRow>(&step.0, |row| move_on(row, &sent, now));
        });
        committed.durable().await?;
        Ok(())
    }
}

/// The row after a step.
fn move_on(row: &mut ReplayRow, sent: &[ArchivedEvent], now: Timestamp) {
    if let Some(last) = sent.last() {
        row.position = Some(last.key.clone());
        row.last_replayed_at = Some(last.at);
    }
    row.state = match row.state {
        ReplayState::Starting => ReplayState::Running,
        ReplayState::Running if sent.len() < CHUNK => ReplayState::Completed,
        ReplayState::Cancelling => ReplayState::Cancelled,
        state => state,
    };
    if row.is_over() {
        row.ended_at.get_or_insert(now);
    }
}

impl Replays {
    /// Sends the next events to the rules that are to hear of them.
    async fn send_some(&self, row: &ReplayRow) -> Result<Vec<ArchivedEvent>, ActError> {
        let times = (row.from, row.until);
        let position = row.position.as_deref();
        let events = self.0.archived.read(row.archive_id, times, position, CHUNK);
        let events = events.map_err(|error| ActError::transient(error.to_string()))?;
        let replayed = Arc::new(Replayed { filter_arns: row.filter_arns.clone() });
        let publication = |archived: &ArchivedEvent| {
            let mut event = archived.event.clone();
            event["replay-name"] = row.key.name.clone().into();
            let mut publication = Publication::new(row.bus.clone(), Arc::new(event), archived.at);
            publication.replayed = Some(Arc::clone(&replayed));
            publication
        };
        let published = self.0.publish(&events.iter().map(publication).collect::<Vec<_>>()).await;
        published.map_err(|error| ActError::transient(error.message().to_owned()))?;
        if !events.is_empty() {
            self.0.doors.meter.record(UsageRecord {
                account: row.key.account.clone(),
                region: row.key.region.clone(),
                at: self.0.doors.clock.now(),
                service: "events",
                resource: row.key.name.clone(),
                quantities: vec![("events/replayed", events.len() as u64)],
            });
        }
        Ok(events)
    }
}
