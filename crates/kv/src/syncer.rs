//! One flush of the disk for all who wait.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use fjall::{Database, PersistMode};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::journal::Journal;
use crate::{Crowd, KvError};

type Ack = oneshot::Sender<Result<(), KvError>>;

pub(crate) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    acks: Vec<Ack>,
    crowd: Crowd,
    closed: bool,
}

impl Syncer {
    /// For a database in the directory `place`.
    pub(crate) fn start(database: Database, place: &Path) -> Result<Self, KvError> {
        let shared = Arc::new(Shared::default());
        let (of_thread, mut journal) = (Arc::clone(&shared), Journal::of(place));
        let thread = std::thread::Builder::new()
            .name("kv-sync".to_owned())
            .spawn(move || of_thread.run(|| flush(&database, &mut journal)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns once all that was written before is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        let (ack, done) = oneshot::channel();
        self.shared.add(ack);
        done.await.unwrap_or(Err(KvError::Closed))
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
    fn add(&self, ack: Ack) {
        let mut queue = self.queue.lock();
        queue.acks.push(ack);
        let is_due = queue.crowd.is_there(queue.acks.len());
        drop(queue);
        if is_due {
            self.wake.notify_one();
        }
    }

    fn run(&self, mut flush: impl FnMut() -> Result<(), KvError>) {
        let mut broken = None;
        while let Some(acks) = self.next() {
            let outcome = match &broken {
                None => flush(),
                // what a failed flush has lost no later one brings to the disk
                Some(error) => Err(KvError::clone(error)),
            };
            if let Err(error) = &outcome {
                tracing::error!(%error, "could not flush the records to disk");
                broken = Some(error.clone());
            }
            for ack in acks {
                let _ = ack.send(outcome.clone()); // who waited may have gone
            }
        }
    }

    /// Those who wait for the next flush; `None` once nobody can come any more.
    fn next(&self) -> Option<Vec<Ack>> {
        let mut queue = self.queue.lock();
        while queue.acks.is_empty() {
            if queue.closed {
                return None;
            }
            self.wake.wait(&mut queue);
        }
        Crowd::gather(&mut queue, &self.wake, |queue| (&mut queue.crowd, queue.acks.len()));
        let acks = std::mem::take(&mut queue.acks);
        queue.crowd.flushed(acks.len());
        Some(acks)
    }
}

/// Brings all that was written before to the disk. The engine's own way would hold the lock of its
/// journal all the while, and with it every writer: so it hands over what it has, and the file is
/// flushed by its name. Older journals are on the disk already: the engine flushes each before it
/// begins the next.
pub(crate) fn flush(database: &Database, journal: &mut Journal) -> Result<(), KvError> {
    database.persist(PersistMode::Buffer)?;
    match journal.newest() {
        Ok(file) => Ok(file.sync_data()?),
        // no descriptor to be had: the engine has the file open
        Err(_) => Ok(database.persist(PersistMode::SyncData)?),
    }
}
