//! What is due, and what becomes of schedules that have completed.

use std::sync::Arc;

use haar_courier::{Errand as _, Lane, Letter};
use haar_kv::{Batch, KvError};
use haar_ledger::{ChangeSet, Snapshot};
use haar_scheduler_contract::model::{ActionAfterCompletion, ScheduleState};
use haar_timetable::{Due, Entry, Timed, Timetable};
use haar_types::Timestamp;

use crate::Scheduler;
use crate::delivery::Execution;
use crate::rules::target::universal;
use crate::rules::times;
use crate::state::{ScheduleKey, ScheduleRow};

impl Scheduler {
    /// Invokes what is due, when it is; never ends. The wiring spawns it.
    pub async fn run(self: Arc<Self>) {
        let changes = self.doors.ledger.changes();
        haar_timetable::run(&Schedules(&self), &self.doors.clock, changes).await;
    }

    fn letter(&self, row: &ScheduleRow, at: Timestamp) -> Letter {
        let execution = Execution {
            schedule: row.key.clone(),
            target: row.target.clone(),
            scheduled_at: at,
            id: self.doors.ids.uuid(),
            given_up: None,
        };
        Letter::new(&row.key.group.account, lane_of(row), execution.to_payload())
    }

    /// Removes schedules that have completed and are to be deleted then, as they were when they
    /// completed. Where a crash comes between, the next start finds them again.
    fn delete_completed(&self, completed: &[Arc<ScheduleRow>]) {
        if completed.is_empty() {
            return;
        }
        drop(self.doors.ledger.write(|tx| {
            for row in completed {
                let now = tx.get::<ScheduleRow>(&row.key);
                if now.is_some_and(|now| now.modified_at == row.modified_at) {
                    tx.remove::<ScheduleRow>(&row.key);
                }
            }
        }));
    }
}

/// A target's lane. An operation is every schedule's: each group has a lane for it of its own.
fn lane_of(row: &ScheduleRow) -> Lane {
    let arn = &row.target.arn;
    Lane::Shared(match universal(arn) {
        Some(_) => format!("{arn} {}", row.key.group.arn()),
        None => arn.clone(),
    })
}

/// The schedules of all accounts.
struct Schedules<'a>(&'a Scheduler);

impl Timed for Schedules<'_> {
    type Key = ScheduleKey;

    fn table(&self) -> Result<Timetable<ScheduleKey>, KvError> {
        let marks = self.0.doors.kv.keyspace("scheduler.mark")?;
        let mut table = Timetable::new(marks, self.0.doors.ids.clone());
        let mut completed = Vec::new();
        for row in self.0.doors.ledger.snapshot().all::<ScheduleRow>() {
            put(&mut table, &row)?;
            if is_done_with(&table, &row) {
                completed.push(row);
            }
        }
        self.0.delete_completed(&completed);
        Ok(table)
    }

    fn follow(&self, table: &mut Timetable<ScheduleKey>, set: &ChangeSet) -> Result<(), KvError> {
        let mut completed = Vec::new();
        for (old, new) in set.rows::<ScheduleRow>() {
            match (old, new) {
                (_, Some(row)) => {
                    put(table, &row)?;
                    if is_done_with(table, &row) {
                        completed.push(row);
                    }
                }
                (Some(row), None) => table.remove(&row.key, row.key.arn().as_bytes())?,
                (None, None) => {}
            }
        }
        self.0.delete_completed(&completed);
        Ok(())
    }

    fn now(&self) -> Snapshot {
        self.0.doors.ledger.snapshot()
    }

    fn entry(&self, rows: &Snapshot, key: &ScheduleKey) -> Option<Entry> {
        entry_of(&*rows.get::<ScheduleRow>(key)?)
    }

    async fn send(
        &self,
        table: &mut Timetable<ScheduleKey>,
        rows: &Snapshot,
        due: Vec<Due<ScheduleKey>>,
    ) -> Result<(), KvError> {
        let Some(courier) = self.0.courier() else { return Ok(()) };
        let doors = &self.0.doors;
        let (mut batch, mut letters, mut completed) = (Batch::new(), Vec::new(), Vec::new());
        let now = doors.clock.now();
        for due in due {
            let Some(row) = rows.get::<ScheduleRow>(&due.key) else { continue };
            table.note(&mut batch, &due, now);
            letters.push(self.0.letter(&row, due.at));
            if is_done_with(table, &row) {
                completed.push(row);
            }
        }
        let staged = courier.stage(&mut batch, letters);
        doors.kv.apply(batch)?;
        courier.dispatch(staged);
        doors.kv.sync().await?;
        self.0.delete_completed(&completed);
        Ok(())
    }
}

/// How a schedule is to stand in the table, if it runs.
fn entry_of(row: &ScheduleRow) -> Option<Entry> {
    times::entry(row).filter(|_| row.state == ScheduleState::Enabled)
}

/// True for one that has completed and is to be deleted then, also where that was asked for
/// afterwards only. *Ours*: AWS names no time for the latter.
fn is_done_with(table: &Timetable<ScheduleKey>, row: &ScheduleRow) -> bool {
    row.after_completion == ActionAfterCompletion::Delete && table.is_over(&row.key)
}

/// A schedule as it now stands.
fn put(table: &mut Timetable<ScheduleKey>, row: &ScheduleRow) -> Result<(), KvError> {
    match entry_of(row) {
        Some(entry) => table.put(row.key.clone(), row.key.arn().into_bytes(), entry),
        None => {
            table.take_off(&row.key);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use haar_blobs::Blobs;
    use haar_clock::{Clock, IdSource};
    use haar_kernel::{DoorParts, Doors, NoMeter, Settings};
    use haar_kv::Kv;
    use haar_ledger::Ledger;
    use haar_scheduler_contract::model::{FlexibleTimeWindow, Target};
    use haar_substrate::sim::SimSubstrate;
    use haar_timetable::send_due;
    use haar_types::{AccountId, Region};

    use super::*;
    use crate::state::GroupKey;

    const BEGIN: Timestamp = Timestamp(1_800_000_000_000); // 2027-01-15T08:00:00Z

    fn room() -> Arc<Scheduler> {
        let (clock, ids) = (Clock::simulated(BEGIN), IdSource::seeded(7));
        let room = Scheduler::new(&Doors::new(DoorParts {
            clock: clock.clone(),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(haar_kernel::tables().and(&crate::tables())),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: Arc::new(SimSubstrate::new(clock)),
            meter: Arc::new(NoMeter),
            settings: Settings::default(),
        }));
        room.start().unwrap();
        room
    }

    /// A schedule of one instant that goes with it.
    fn once(expression: &str, modified_at: Timestamp) -> ScheduleRow {
        let (account, region) = (AccountId::default(), Region::default());
        let group = GroupKey { account, region, name: "default".to_owned() };
        ScheduleRow {
            key: ScheduleKey { group, name: "s".to_owned() },
            expression: expression.to_owned(),
            timezone: None,
            start: None,
            end: None,
            window: FlexibleTimeWindow::default(),
            target: Target { arn: "arn:aws:sqs:::q".to_owned(), ..Target::default() },
            description: None,
            state: ScheduleState::Enabled,
            kms_key: None,
            after_completion: ActionAfterCompletion::Delete,
            created_at: BEGIN,
            modified_at,
            runs_from: modified_at,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_schedule_that_is_put_off_as_it_comes_due_is_not_deleted() {
        let room = room();
        let ledger = &room.doors.ledger;
        let row = once("at(2027-01-15T08:00:00)", BEGIN);
        ledger.write(|tx| tx.put(row.clone())).early().unwrap();
        let schedules = Schedules(&room);
        let mut table = schedules.table().unwrap();
        assert_eq!(table.due(BEGIN).len(), 1);

        let later = Timestamp(BEGIN.0 + 3_600_000);
        let put_off = once("at(2027-01-15T09:00:00)", Timestamp(BEGIN.0 + 1));
        ledger.write(|tx| tx.put(put_off.clone())).early().unwrap();
        send_due(&schedules, &mut table, BEGIN).await.unwrap();
        assert!(ledger.snapshot().get::<ScheduleRow>(&row.key).is_some());
        assert_eq!(table.next(), None, "nothing of it is due before the change is followed");

        put(&mut table, &put_off).unwrap();
        assert_eq!(table.next(), Some(later));
        send_due(&schedules, &mut table, later).await.unwrap();
        assert!(ledger.snapshot().get::<ScheduleRow>(&row.key).is_none());
    }
}
