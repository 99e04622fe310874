//! The loop that keeps a table.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use haar_clock::{Clock, Elapsed};
use haar_kv::KvError;
use haar_ledger::{ChangeFeed, ChangeSet, Snapshot};
use haar_types::Timestamp;

use crate::{Due, Entry, Timetable};

/// The longest wait for the next instant, so that a machine's clock that was set is noticed. *Ours*.
const WAIT_LONGEST: Duration = Duration::from_secs(60);
/// The wait after the disk did not give or take. *Ours*.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Who has schedules.
pub trait Timed: Send + Sync {
    /// Names a schedule.
    type Key: Ord + Clone + Send + Sync;

    /// The table of all that is there.
    ///
    /// # Errors
    /// When the marks cannot be read.
    fn table(&self) -> Result<Timetable<Self::Key>, KvError>;

    /// Brings the table up to a commit.
    ///
    /// # Errors
    /// When the marks cannot be read or removed; the table is made anew then.
    fn follow(&self, table: &mut Timetable<Self::Key>, set: &ChangeSet) -> Result<(), KvError>;

    /// The newest rows.
    fn now(&self) -> Snapshot;

    /// A schedule as it stands in these rows, also where [`Self::follow`] did not come to that yet;
    /// `None` for one that is gone or rests.
    fn entry(&self, rows: &Snapshot, key: &Self::Key) -> Option<Entry>;

    /// Sends instants of schedules as they stand in these rows and notes them ([`Timetable::note`]),
    /// in one batch, on disk when it resolves.
    ///
    /// # Errors
    /// When the disk does not take it: all of it is asked for again.
    fn send(
        &self,
        table: &mut Timetable<Self::Key>,
        rows: &Snapshot,
        due: Vec<Due<Self::Key>>,
    ) -> impl Future<Output = Result<(), KvError>> + Send;
}

/// Sends what is due, when it is; ends with the ledger.
pub async fn run<T: Timed>(timed: &T, clock: &Clock, mut changes: ChangeFeed) {
    let (mut table, mut working) = (opened(timed), clock.working());
    loop {
        let next = table.as_ref().and_then(Timetable::next);
        let longest = if table.is_some() { WAIT_LONGEST } else { AGAIN_AFTER };
        let wait = clock.timeout(longest, change_or_due(clock, next, &mut changes));
        let (came, at_work) = clock.rest(working, wait).await;
        working = at_work;
        match came.flatten() {
            Ok(None) => return,
            Ok(Some(set)) => {
                let followed = table.as_mut().map(|table| timed.follow(table, &set));
                if set.lost || !matches!(followed, Some(Ok(()))) {
                    table = opened(timed);
                }
            }
            Err(Elapsed) => {
                let sent = match &mut table {
                    Some(table) => send_due(timed, table, clock.now()).await,
                    None => Ok(()),
                };
                if let Err(error) = &sent {
                    tracing::error!(%error, "what schedules asked for waits");
                    clock.sleep(AGAIN_AFTER).await;
                }
                if sent.is_err() || table.is_none() {
                    table = opened(timed);
                }
            }
        }
    }
}

/// Sends what is due of those schedules that still stand as the table has them. A change takes the
/// others in again when it comes.
///
/// # Errors
/// When the disk does not take it: all of it is asked for again.
pub async fn send_due<T: Timed>(
    timed: &T,
    table: &mut Timetable<T::Key>,
    now: Timestamp,
) -> Result<(), KvError> {
    let (mut due, rows) = (table.due(now), timed.now());
    due.retain(|due| {
        let stands =
            timed.entry(&rows, &due.key).is_some_and(|now| table.stands_as(&due.key, &now));
        if !stands {
            table.take_off(&due.key);
        }
        stands
    });
    if due.is_empty() { Ok(()) } else { timed.send(table, &rows, due).await }
}

/// The next change, unless an instant comes first.
async fn change_or_due(
    clock: &Clock,
    next: Option<Timestamp>,
    changes: &mut ChangeFeed,
) -> Result<Option<Arc<ChangeSet>>, Elapsed> {
    match next {
        Some(at) => clock.timeout_at(at, changes.next()).await,
        None => Ok(changes.next().await),
    }
}

fn opened<T: Timed>(timed: &T) -> Option<Timetable<T::Key>> {
    let opened = timed.table();
    opened.inspect_err(|error| tracing::error!(%error, "could not read schedules' marks")).ok()
}
