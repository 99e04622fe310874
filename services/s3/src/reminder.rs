//! What becomes due of restored copies: that they are there, and that they go. Requests judge
//! copies by the clock alone; this tells the bucket's listeners of it.
//!
//! AWS docs: *Amazon S3 User Guide > Restoring an archived object*.

use haar_courier::{Errand, Lane, Letter, Parcel, Staged, Verdict};
use haar_types::Timestamp;
use haar_wire::AwsError;
use serde::{Deserialize, Serialize};

use crate::S3;
use crate::notices::{Cause, Happening, Outgoing};
use crate::state::BucketRow;
use crate::store::{Change, Record};

/// The wait after what could not be done. *Ours*.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// One thing that becomes due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reminder {
    bucket: String,
    /// Which incarnation of it.
    id: u64,
    key: String,
    version_id: String,
    what: What,
}

/// As of a time, so that one that was put off is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    /// The copy is there.
    Ready(Timestamp),
    /// The copy goes.
    Over(Timestamp),
}

impl S3 {
    /// Stages what becomes due of a version that is being restored.
    pub(crate) fn remind(
        &self,
        change: &mut Change<'_>,
        row: &BucketRow,
        record: &Record,
        now: Timestamp,
    ) -> Staged {
        let (Some(courier), Some(restore)) = (self.reminders.get(), record.restore) else {
            return Staged::default();
        };
        let letter = |what, due_at| {
            let reminder = Reminder {
                bucket: row.name.clone(),
                id: row.id,
                key: change.key.to_owned(),
                version_id: record.shown_id().to_owned(),
                what,
            };
            let lane = Lane::Shared("restore".to_owned());
            Letter {
                due_at: Some(due_at),
                ..Letter::new(&row.account, lane, reminder.to_payload())
            }
        };
        let ready = restore.is_ongoing(now).then_some(restore.ready_at);
        let ready = ready.map(|at| letter(What::Ready(at), at));
        let over = letter(What::Over(restore.expires_at), restore.expires_at);
        courier.stage(&mut change.batch, ready.into_iter().chain([over]))
    }

    fn act_on(&self, reminder: &Reminder) -> Result<(), AwsError> {
        let doors = &self.doors;
        let row = doors.ledger.snapshot().get::<BucketRow>(&reminder.bucket);
        let Some(row) = row.filter(|row| row.id == reminder.id) else { return Ok(()) };
        let now = doors.clock.now();
        let id = doors.ids.uuid();
        let cause = Cause::Service(&id);
        let staged =
            self.store.change(&doors.ledger, &row, &reminder.key, now, |change, row| {
                let Some(mut record) = change.find(Some(&reminder.version_id))? else {
                    return Ok(Outgoing::default());
                };
                let Some(restore) = record.restore else { return Ok(Outgoing::default()) };
                change.is_told = true; // its reminder goes next
                Ok(match reminder.what {
                    What::Ready(at) if at == restore.ready_at => {
                        self.tell(change, row, (&record, Happening::RestoreCompleted, cause))
                    }
                    What::Over(at) if at == restore.expires_at => {
                        let told =
                            self.tell(change, row, (&record, Happening::RestoreDelete, cause));
                        record.restore = None;
                        change.rewrite(&record)?;
                        told
                    }
                    _ => Outgoing::default(), // put off, or made faster
                })
            })?;
        self.send(staged);
        Ok(())
    }
}

impl Errand for Reminder {
    type Room = S3;

    async fn run(self, room: &S3, _parcel: &Parcel) -> Verdict {
        match room.act_on(&self) {
            Ok(()) => Verdict::Done,
            Err(error) if error.code() == "NoSuchBucket" => Verdict::Done,
            Err(error) => {
                tracing::error!(%error, "could not note what became of a restored copy");
                Verdict::Retry(AGAIN)
            }
        }
    }
}
