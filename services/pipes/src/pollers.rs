//! Which pollers run: one for each pipe that is `RUNNING`, or goes on after an update that failed,
//! by the rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haar_dynamodbstreams_contract::source::TableSource;
use haar_kinesis_contract::source::{self, RecordStyle};
use haar_poller::{Checkpoints, Consumer, Queue, Stream, poll_queue, poll_stream};
use haar_sqs_contract::source::QueueSource;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Pipes;
use crate::execution::PipeConsumer;
use crate::reader::errand;
use crate::rules::source::{SourceKind, filters, kind, queue_settings, stream_settings};
use crate::state::{PipeKey, PipeRow};

/// The keyspace of how far streams were read.
const CHECKPOINTS: &str = "pipes.checkpoint";

/// The pollers that run.
#[derive(Default)]
pub(crate) struct Pollers {
    running: Mutex<BTreeMap<PipeKey, Running>>,
    stop: CancellationToken,
    is_stopping: AtomicBool,
}

struct Running {
    /// What it was started for.
    row: Arc<PipeRow>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Pollers {
    /// True once haar ends: what fails now says nothing of the pipe.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Tells all pollers to stop.
    pub(crate) fn stop_all(&self) {
        for (_, running) in std::mem::take(&mut *self.running.lock()) {
            running.stop.cancel();
        }
    }

    /// Ends a pipe's poller, if one runs, and waits until its batches are done.
    pub(crate) async fn end(&self, key: &PipeKey) {
        let running = self.running.lock().remove(key);
        if let Some(running) = running {
            running.stop.cancel();
            let _ = running.task.await;
        }
    }
}

impl Pipes {
    /// Keeps a poller running for each pipe that runs; ends when haar stops.
    pub async fn run(self: Arc<Self>) {
        let marks = match self.checkpoints() {
            Ok(marks) => marks,
            Err(error) => return tracing::error!(%error, "pipes cannot run"),
        };
        let mut changes = self.doors.ledger.changes();
        self.forget_orphans(&marks);
        let stop = self.pollers.stop.clone();
        loop {
            self.reconcile(&marks);
            loop {
                let change = tokio::select! {
                    () = stop.cancelled() => return,
                    change = changes.next() => change,
                };
                let Some(change) = change else { return };
                if change.lost || change.rows::<PipeRow>().next().is_some() {
                    break;
                }
            }
        }
    }

    /// Ends all pollers; batches that are on their way are cut short.
    pub fn stop_polling(&self) {
        self.pollers.is_stopping.store(true, Ordering::Relaxed);
        self.pollers.stop.cancel();
        self.pollers.stop_all();
    }

    pub(crate) fn checkpoints(&self) -> Result<Checkpoints, haar_kv::KvError> {
        Checkpoints::open(&self.doors.kv, CHECKPOINTS)
    }

    /// Starts what is to run and does not. What is to end is ended by the controller, which waits
    /// for it; the rows are looked at under the lock that it takes, so that no poller begins
    /// behind its back.
    fn reconcile(self: &Arc<Self>, marks: &Checkpoints) {
        let mut running = self.pollers.running.lock();
        if self.pollers.is_stopping() {
            return;
        }
        let snapshot = self.doors.ledger.snapshot();
        for row in snapshot.all::<PipeRow>().filter(|row| row.is_read()) {
            match running.get(&row.key) {
                Some(old) if Arc::ptr_eq(&old.row, &row) || old.row.moves_like(&row) => continue,
                Some(old) => old.stop.cancel(),
                None => {}
            }
            let before = running.remove(&row.key);
            if let Some(started) = self.start_poller(&row, before, marks) {
                running.insert(row.key.clone(), started);
            }
        }
    }

    /// Starts a pipe's poller when the one before has ended.
    #[allow(clippy::disallowed_methods)] // the room's own loops
    fn start_poller(
        self: &Arc<Self>,
        row: &Arc<PipeRow>,
        before: Option<Running>,
        marks: &Checkpoints,
    ) -> Option<Running> {
        let kind = kind(&row.source).ok()?;
        let stop = CancellationToken::new();
        let (room, marks, stop_of_poller) = (Arc::clone(self), marks.clone(), stop.clone());
        let row_of_poller = Arc::clone(row);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.task.await;
            }
            room.poll(row_of_poller, kind, marks, stop_of_poller).await;
        });
        Some(Running { row: Arc::clone(row), stop, task })
    }

    async fn poll(
        self: Arc<Self>,
        row: Arc<PipeRow>,
        kind: SourceKind,
        marks: Checkpoints,
        stop: CancellationToken,
    ) {
        let given = &row.source_parameters;
        let filters = filters(given).unwrap_or_else(|error| {
            tracing::error!(%error, pipe = %row.key.name, "filters cannot be read; all is wanted");
            Default::default()
        });
        let (clock, divisor) = (self.doors.clock.clone(), self.doors.settings.wait_divisor);
        let errand = errand(&self.doors, &row, filters);
        let room = Arc::clone(&self);
        let consumer: Arc<dyn Consumer> = Arc::new(PipeConsumer::new(room, Arc::clone(&row), kind));
        match kind {
            SourceKind::Queue | SourceKind::FifoQueue => {
                let queue: Arc<dyn Queue> = Arc::new(QueueSource::new(errand));
                poll_queue(queue, consumer, queue_settings(given, divisor), clock, stop).await;
            }
            SourceKind::Kinesis | SourceKind::DynamoDb => {
                let stream: Arc<dyn Stream> = match kind {
                    SourceKind::Kinesis => source::open(errand, RecordStyle::Flat),
                    _ => Arc::new(TableSource::new(errand)),
                };
                let settings = stream_settings(given, divisor);
                let (name, ends) = (row.id.clone(), (stream, consumer));
                poll_stream(name, ends, settings, marks, clock, stop).await;
            }
        }
    }

    /// Forgets the checkpoints of pipes that went while haar was down.
    fn forget_orphans(&self, marks: &Checkpoints) {
        let snapshot = self.doors.ledger.snapshot();
        let known = snapshot.all::<PipeRow>().map(|row| row.id.clone()).collect();
        if let Err(error) = marks.forget_all_but(&known) {
            tracing::warn!(%error, "old checkpoints were not removed");
        }
    }
}
