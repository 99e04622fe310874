//! The loop that keeps a table.

use std::future::Future;
use std::time::Duration;

use haar_clock::Clock;
use haar_kv::KvError;
use haar_ledger::{ChangeFeed, ChangeSet};

use crate::{Due, Timetable};

/// The longest wait for the next instant, so that a clock that was set is noticed. *Ours*.
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

    /// Sends instants and notes them ([`Timetable::note`]), in one batch, on disk when it
    /// resolves.
    ///
    /// # Errors
    /// When the disk does not take it: all of it is asked for again.
    fn send(
        &self,
        table: &mut Timetable<Self::Key>,
        due: Vec<Due<Self::Key>>,
    ) -> impl Future<Output = Result<(), KvError>> + Send;
}

/// Sends what is due, when it is; ends with the ledger.
pub async fn run<T: Timed>(timed: &T, clock: &Clock, mut changes: ChangeFeed) {
    let mut table = opened(timed);
    loop {
        let wait = match &table {
            Some(table) => table.next().map_or(WAIT_LONGEST, |at| at.since(clock.now())),
            None => AGAIN_AFTER,
        };
        match clock.timeout(wait.min(WAIT_LONGEST), changes.next()).await {
            Ok(None) => return,
            Ok(Some(set)) => {
                let followed = table.as_mut().map(|table| timed.follow(table, &set));
                if set.lost || !matches!(followed, Some(Ok(()))) {
                    table = opened(timed);
                }
            }
            Err(_) => {
                let due = table.as_ref().map(|table| table.due(clock.now())).unwrap_or_default();
                let sent = match &mut table {
                    Some(table) if !due.is_empty() => timed.send(table, due).await,
                    _ => Ok(()),
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

fn opened<T: Timed>(timed: &T) -> Option<Timetable<T::Key>> {
    let opened = timed.table();
    opened.inspect_err(|error| tracing::error!(%error, "could not read schedules' marks")).ok()
}
