//! One flush of the disk for all who wait.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
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
    /// For a database in the directory `place`.
    pub(crate) fn start(database: Database, place: &Path) -> Result<Self, KvError> {
        let (requests, waiting) = mpsc::channel();
        let place = place.to_owned();
        let thread = std::thread::Builder::new()
            .name("kv-sync".to_owned())
            .spawn(move || run(&database, &place, &waiting))?;
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

fn run(database: &Database, place: &Path, waiting: &Receiver<Ack>) {
    let mut broken = None;
    while let Ok(first) = waiting.recv() {
        let acks: Vec<Ack> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let outcome = match &broken {
            None => flush(database, place),
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

/// Brings all that was written before to the disk. The engine's own way would hold the lock of its
/// journal all the while, and with it every writer: so it hands over what it has, and the file is
/// flushed by its name. Older journals are on the disk already: the engine flushes each before it
/// begins the next.
fn flush(database: &Database, place: &Path) -> Result<(), KvError> {
    database.persist(PersistMode::Buffer)?;
    File::open(newest_journal(place)?)?.sync_data()?;
    Ok(())
}

fn newest_journal(place: &Path) -> io::Result<PathBuf> {
    let number = |path: &PathBuf| -> Option<u64> {
        path.file_name()?.to_str()?.strip_suffix(".jnl")?.parse().ok()
    };
    let mut newest = None;
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        newest = newest.max(number(&path).map(|number| (number, path)));
    }
    newest.map(|(_, path)| path).ok_or_else(|| io::ErrorKind::NotFound.into())
}
