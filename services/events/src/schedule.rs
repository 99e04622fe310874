//! Rules that send by themselves.

use std::sync::Arc;
use std::time::Duration;

use haar_courier::Letter;
use haar_kv::{Batch, KvError};
use haar_ledger::{ChangeSet, Snapshot};
use haar_schedule::Schedule;
use haar_timetable::{Due, Entry, Timed, Timetable};
use haar_types::Timestamp;

use crate::Events;
use crate::publish::{Publication, letters_of};
use crate::rules::event::{Origin, scheduled};
use crate::state::{RuleKey, RuleRow};

impl Events {
    /// Sends what schedules ask for, when it is due, and hands metrics over; never ends. The
    /// wiring spawns it.
    pub async fn run(self: Arc<Self>) {
        let (changes, clock) = (self.doors.ledger.changes(), &self.doors.clock);
        let schedules = Scheduled(&self);
        let timetable = haar_timetable::run(&schedules, clock, changes);
        futures_util::future::join(timetable, self.measure.run(clock)).await;
    }

    fn scheduled(&self, rows: &Snapshot, due: &Due<RuleKey>, now: Timestamp) -> Vec<Letter> {
        let Some(rule) = rows.get::<RuleRow>(&due.key) else {
            return Vec::new();
        };
        self.measure.triggered(&rule.key, now);
        let (id, bus) = (self.doors.ids.uuid(), &rule.key.bus);
        let (account, region) = (&bus.account, &bus.region);
        let origin = Origin { id: &id, account, region, now: due.at };
        let event = scheduled(origin, &rule.key.arn());
        let publication = Publication::new(bus.clone(), Arc::new(event), now);
        letters_of(&rule, &publication, |_| true).collect()
    }
}

/// The rules that have a schedule.
struct Scheduled<'a>(&'a Events);

impl Timed for Scheduled<'_> {
    type Key = RuleKey;

    fn table(&self) -> Result<Timetable<RuleKey>, KvError> {
        let marks = self.0.doors.kv.keyspace("events.schedule")?;
        let mut table = Timetable::new(marks, self.0.doors.ids.clone());
        for row in self.0.doors.ledger.snapshot().by_index::<RuleRow>("scheduled", "") {
            put(&mut table, &row)?;
        }
        Ok(table)
    }

    fn follow(&self, table: &mut Timetable<RuleKey>, set: &ChangeSet) -> Result<(), KvError> {
        for (old, new) in set.rows::<RuleRow>() {
            match (old, new) {
                (_, Some(row)) => put(table, &row)?,
                (Some(row), None) => table.remove(&row.key, &row.key.bytes())?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn now(&self) -> Snapshot {
        self.0.doors.ledger.snapshot()
    }

    fn entry(&self, rows: &Snapshot, key: &RuleKey) -> Option<Entry> {
        entry_of(&*rows.get::<RuleRow>(key)?)
    }

    async fn send(
        &self,
        table: &mut Timetable<RuleKey>,
        rows: &Snapshot,
        due: Vec<Due<RuleKey>>,
    ) -> Result<(), KvError> {
        let Ok(courier) = self.0.courier() else { return Ok(()) };
        let now = self.0.doors.clock.now();
        let mut batch = Batch::new();
        let letters: Vec<Letter> =
            due.iter().flat_map(|due| self.0.scheduled(rows, due, now)).collect();
        let staged = courier.stage(&mut batch, letters);
        due.iter().for_each(|due| table.note(&mut batch, due, now));
        self.0.doors.kv.apply(batch)?;
        courier.dispatch(staged);
        self.0.doors.kv.sync().await
    }
}

/// Takes a rule in as it stands.
fn put(table: &mut Timetable<RuleKey>, row: &RuleRow) -> Result<(), KvError> {
    match entry_of(row) {
        Some(entry) => table.put(row.key.clone(), row.key.bytes(), entry),
        None => {
            table.take_off(&row.key);
            Ok(())
        }
    }
}

/// A rule's schedule, if it is enabled. Its first instant is a period after the rule was put.
fn entry_of(row: &RuleRow) -> Option<Entry> {
    let text = row.schedule.as_deref().filter(|_| row.is_enabled())?;
    let (schedule, from) = (Schedule::of_rule(text).ok()?, row.schedule_from);
    let version = format!("{} {text}", from.0).into_bytes();
    let window = Duration::ZERO;
    Some(Entry { schedule, version, anchor: from, after: from, until: None, window })
}

#[cfg(test)]
mod tests {
    use haar_blobs::Blobs;
    use haar_clock::{Clock, IdSource};
    use haar_events_contract::model::RuleState;
    use haar_kernel::{DataKey, DoorParts, Doors, NoMeter, Settings};
    use haar_kv::Kv;
    use haar_ledger::Ledger;
    use haar_substrate::sim::SimSubstrate;
    use haar_timetable::send_due;
    use haar_types::{AccountId, Region};

    use super::*;
    use crate::state::BusKey;

    const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

    fn room() -> Arc<Events> {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let doors = Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(haar_kernel::tables().and(&crate::tables())),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock)),
            meter: Arc::new(NoMeter),
            settings: Settings::default(),
        });
        let room = Events::open(&doors, DataKey::new(&[7; DataKey::LEN])).unwrap();
        room.start().unwrap();
        room
    }

    fn rule(state: RuleState) -> RuleRow {
        let (account, region) = (AccountId::default(), Region::default());
        let bus = BusKey { account, region, name: "default".to_owned() };
        RuleRow {
            key: RuleKey { bus, name: "r".to_owned() },
            pattern: None,
            schedule: Some("rate(1 minute)".to_owned()),
            schedule_from: BEGIN,
            state,
            description: None,
            role_arn: None,
            created_by: AccountId::default(),
            tags: Default::default(),
            targets: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_that_is_disabled_as_it_comes_due_sends_nothing() {
        let minute = Timestamp(BEGIN.0 + 60_000);
        for (state, marks) in [(RuleState::Enabled, 1), (RuleState::Disabled, 0)] {
            let room = room();
            let ledger = &room.doors.ledger;
            ledger.write(|tx| tx.put(rule(RuleState::Enabled))).early().unwrap();
            let schedules = Scheduled(&room);
            let mut table = schedules.table().unwrap();
            assert_eq!(table.due(minute).len(), 1);
            ledger.write(|tx| tx.put(rule(state))).early().unwrap();
            send_due(&schedules, &mut table, minute).await.unwrap();
            let noted = room.doors.kv.keyspace("events.schedule").unwrap();
            assert_eq!(noted.all().count(), marks);
        }
    }
}
