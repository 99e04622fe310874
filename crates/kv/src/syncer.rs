//! One flush of the disk for all who wait.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::{Database, PersistMode};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::ahead::Blocks;
use crate::journal::Journal;
use crate::{Crowd, KvError, Pace, Rest, Told, Waits, Word};

type Outcome = Result<(), KvError>;

/// How long those who were told may be in waking the others. Who waits for the disk may be part of
/// something that looks after other things first.
const WAKING_MAX: Duration = Duration::from_millis(1);

impl Word for Outcome {
    fn unsaid() -> Self {
        Err(KvError::Closed)
    }
}

/// After a flush for more than so many nothing is laid down for the next: the zeros are as much to
/// write as the records, and where flushes are shared, more than what each of them saves.
const ALONE_MAX: usize = 4;

/// What is flushed.
trait Flush {
    fn flush(&mut self) -> Outcome;
    /// What is to be laid down for the next flush.
    fn due(&mut self) -> Option<Blocks>;
}

struct Records {
    database: Database,
    journal: Journal,
}

impl Flush for Records {
    fn flush(&mut self) -> Outcome {
        flush(&self.database, &mut self.journal)
    }

    fn due(&mut self) -> Option<Blocks> {
        self.journal.due()
    }
}

pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    pace: Pace,
}

#[derive(Default)]
struct Queue {
    told: Told<Outcome>,
    crowd: Crowd,
    closed: bool,
}

impl Syncer {
    /// For a database in the directory `place`.
    pub(crate) fn start(database: Database, place: &Path) -> Result<Self, KvError> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let mut records = Records { database, journal: Journal::of(place) };
        let thread = std::thread::Builder::new()
            .name("kv-sync".to_owned())
            .spawn(move || of_thread.run(&mut records))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns once all that was written before is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        self.shared.join().await
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Shared {
    /// One more that waits for the next flush.
    fn join(&self) -> Waits<Outcome> {
        let mut queue = self.queue.lock();
        let waits = queue.told.join();
        let is_due = queue.crowd.is_there(queue.told.count());
        drop(queue);
        if is_due {
            self.wake.notify_one();
        }
        waits
    }

    fn run(&self, records: &mut impl Flush) {
        let (mut broken, mut rest) = (None, None);
        while let Some(told) = self.next(rest.take()) {
            let outcome = match &broken {
                None => self.pace.timed(|| records.flush()),
                // what a failed flush has lost no later one brings to the disk
                Some(error) => Err(KvError::clone(error)),
            };
            if let Err(error) = &outcome {
                tracing::error!(%error, "could not flush the records to disk");
                broken = Some(error.clone());
            }
            let may_lay = outcome.is_ok() && told.count() <= ALONE_MAX;
            let told = rest.insert(told.tell(outcome));
            if may_lay && let Some(blocks) = records.due() {
                told.wake();
                blocks.lay();
            }
        }
    }

    /// Those who wait for the next flush; `None` once nobody can come any more. `rest` is of those
    /// who waited for the last.
    fn next(&self, rest: Option<Rest<Outcome>>) -> Option<Told<Outcome>> {
        let mut queue = self.queue.lock();
        while queue.told.count() == 0 {
            if queue.closed {
                rest.iter().for_each(Rest::wake);
                return None;
            }
            match rest.as_ref().filter(|rest| !rest.is_awake()) {
                None => self.wake.wait(&mut queue),
                Some(rest) => {
                    if self.wake.wait_for(&mut queue, WAKING_MAX).timed_out() {
                        MutexGuard::unlocked(&mut queue, || rest.wake());
                    }
                }
            }
        }
        Crowd::gather(&mut queue, (&self.wake, &self.pace), |queue| {
            (&mut queue.crowd, queue.told.count())
        });
        let told = std::mem::take(&mut queue.told);
        queue.crowd.flushed(told.count());
        drop(queue);
        if let Some(rest) = rest {
            rest.wake();
        }
        Some(told)
    }
}

/// Brings all that was written before to the disk. The engine's own way would hold the lock of its
/// journal all the while, and with it every writer: so it hands over what it has, and the file is
/// flushed by its name. Older journals are on the disk already: the engine flushes each before it
/// begins the next.
pub(crate) fn flush(database: &Database, journal: &mut Journal) -> Outcome {
    database.persist(PersistMode::Buffer)?;
    match journal.newest() {
        Ok(file) => Ok(file.sync_data()?),
        // no descriptor to be had: the engine has the file open
        Err(_) => Ok(database.persist(PersistMode::SyncData)?),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::mpsc::{Sender, channel};
    use std::task::{Context, Wake, Waker};

    use super::*;

    struct Nothing;

    impl Flush for Nothing {
        fn flush(&mut self) -> Outcome {
            Ok(())
        }

        fn due(&mut self) -> Option<Blocks> {
            None
        }
    }

    struct Bell(Sender<()>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(()); // the test may have heard enough
        }
    }

    #[test]
    fn those_who_wait_are_woken_also_where_the_first_of_them_do_not_look() {
        let (shared, (out, woken)) = (Arc::new(Shared::default()), channel());
        let bell = Waker::from(Arc::new(Bell(out)));
        let mut all: Vec<_> = (0..5).map(|_| shared.join()).collect();
        for waits in &mut all {
            assert!(Pin::new(waits).poll(&mut Context::from_waker(&bell)).is_pending());
        }
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || of_thread.run(&mut Nothing));
        for _ in 0..all.len() {
            woken.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        assert!(all.into_iter().all(|waits| waits.block().is_ok()));
        shared.queue.lock().closed = true;
        shared.wake.notify_one();
        thread.join().unwrap();
    }
}
