//! Rules that send by themselves: a timetable of what is due when, and the loop that keeps it.
//!
//! How far each rule has come is kept in kv, in the same batch as what it sent.

mod timetable;

use std::sync::Arc;
use std::time::Duration;

use haar_courier::Letter;
use haar_kv::{Batch, KvError};
use haar_ledger::ChangeSet;
use haar_types::Timestamp;
use haar_wire::AwsError;

use crate::Events;
use crate::publish::{Publication, letters_of};
use crate::refusal::not_kept;
use crate::rules::event::{Origin, scheduled};
use crate::state::RuleRow;
use timetable::{Due, Timetable};

/// The longest wait for the next instant, so that a clock that was set is noticed. *Ours*.
const WAIT_LONGEST: Duration = Duration::from_secs(60);
/// The wait after the disk did not take what was due. *Ours*.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Events {
    /// Sends what schedules ask for, when it is due; never ends. The wiring spawns it.
    pub async fn run(self: Arc<Self>) {
        let mut changes = self.doors.ledger.changes();
        let mut timetable = self.timetable();
        loop {
            let now = self.doors.clock.now();
            let wait = match timetable.as_ref().map(Timetable::next) {
                Ok(next) => next.map_or(WAIT_LONGEST, |at| at.since(now)).min(WAIT_LONGEST),
                Err(_) => AGAIN_AFTER,
            };
            match self.doors.clock.timeout(wait, changes.next()).await {
                Ok(None) => return,
                Ok(Some(set)) => self.follow(&mut timetable, &set),
                Err(_) => self.send_due(&mut timetable).await,
            }
        }
    }

    fn timetable(&self) -> Result<Timetable, KvError> {
        let marks = self.doors.kv.keyspace("events.schedule")?;
        let mut timetable = Timetable::new(marks);
        for row in self.doors.ledger.snapshot().by_index::<RuleRow>("scheduled", "") {
            timetable.put(&row)?;
        }
        Ok(timetable)
    }

    /// Follows a commit.
    fn follow(&self, timetable: &mut Result<Timetable, KvError>, set: &ChangeSet) {
        let Ok(table) = timetable else { return };
        let mut followed = Ok(());
        for (old, new) in set.rows::<RuleRow>() {
            followed = followed.and(match (old, new) {
                (_, Some(row)) => table.put(&row),
                (Some(row), None) => table.remove(&row.key, true),
                (None, None) => Ok(()),
            });
        }
        if set.lost || followed.is_err() {
            *timetable = self.timetable();
        }
    }

    async fn send_due(&self, timetable: &mut Result<Timetable, KvError>) {
        let Ok(table) = timetable else {
            *timetable = self.timetable();
            return;
        };
        let due = table.due(self.doors.clock.now());
        if due.is_empty() {
            return;
        }
        if let Err(error) = self.send(table, &due).await {
            tracing::error!(%error, "what schedules asked for waits");
            self.doors.clock.sleep(AGAIN_AFTER).await;
            *timetable = self.timetable();
        }
    }

    /// Sends instants and notes them, in one batch; they are on disk when this resolves.
    async fn send(&self, table: &mut Timetable, due: &[Due]) -> Result<(), AwsError> {
        let (courier, now) = (self.courier()?, self.doors.clock.now());
        let mut batch = Batch::new();
        let letters: Vec<Letter> = due.iter().flat_map(|due| self.scheduled(due, now)).collect();
        let staged = courier.stage(&mut batch, letters);
        for due in due {
            table.note(&mut batch, due);
        }
        self.doors.kv.apply(batch).map_err(not_kept)?;
        courier.dispatch(staged);
        self.doors.kv.sync().await.map_err(not_kept)
    }

    fn scheduled(&self, due: &Due, now: Timestamp) -> Vec<Letter> {
        let Some(rule) = self.doors.ledger.snapshot().get::<RuleRow>(&due.rule) else {
            return Vec::new();
        };
        self.measure.triggered(&rule.key, now);
        let (id, bus) = (self.doors.ids.uuid(), &rule.key.bus);
        let (account, region) = (&bus.account, &bus.region);
        let origin = Origin { id: &id, account, region, now: due.at };
        let event = scheduled(origin, &rule.key.arn());
        let publication = Publication { bus: bus.clone(), event, ingested_at: now, hop_count: 0 };
        letters_of(&rule, &publication).collect()
    }
}
