//! One flush of the disk for all who wait.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use fjall::{Database, PersistMode};
use tokio::sync::oneshot;

use crate::KvError;

type Ack = oneshot::Sender<Result<(), KvError>>;

pub(crate) struct Syncer {
    requests: Option<Sender<Ack>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(crate) fn start(database: Database) -> Result<Self, KvError> {
        let (requests, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("kv-sync".to_owned())
            .spawn(move || run(&database, &waiting))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Returns once all that was written before is on disk.
    pub(crate) async fn sync(&self) -> Result<(), KvError> {
        let (ack, done) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(KvError::Closed)?;
        requests.send(ack).map_err(|_| KvError::Closed)?;
        done.await.unwrap_or(Err(KvError::Closed))
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn run(database: &Database, waiting: &Receiver<Ack>) {
    while let Ok(first) = waiting.recv() {
        let acks: Vec<Ack> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let outcome = database.persist(PersistMode::SyncData).map_err(KvError::from);
        if let Err(error) = &outcome {
            tracing::error!(%error, "could not flush the records to disk");
        }
        acks.into_iter().for_each(|ack| _ = ack.send(outcome.clone()));
    }
}
