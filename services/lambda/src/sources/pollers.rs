//! Which pollers run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use haar_dynamodbstreams_contract::source::TableSource;
use haar_kinesis_contract::source::{self, RecordStyle};
use haar_lambda_contract::model::{EventSourcePosition, FunctionResponseType};
use haar_poller::rules::{batch, retry};
use haar_poller::{
    Checkpoints, Consumer, Filters, Position, Queue, QueueSettings, Stream, StreamSettings,
    poll_queue, poll_stream,
};
use haar_sqs_contract::source::QueueSource;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::consumer::FunctionConsumer;
use super::identity::Poll;
use crate::Lambda;
use crate::rules::event_source::SourceKind;
use crate::state::{EventSourceMappingKey, EventSourceMappingRow, MappingState};

/// The keyspace of how far streams were read.
const CHECKPOINTS: &str = "lambda.checkpoint";

/// The pollers that run, and what they last told.
#[derive(Default)]
pub(crate) struct Pollers {
    running: Mutex<BTreeMap<EventSourceMappingKey, Running>>,
    results: Mutex<BTreeMap<EventSourceMappingKey, String>>,
    stop: CancellationToken,
}

struct Running {
    /// What it was started for.
    row: Arc<EventSourceMappingRow>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Pollers {
    /// `LastProcessingResult` of a mapping, where its poller has told one.
    pub(crate) fn result(&self, key: &EventSourceMappingKey) -> Option<String> {
        self.results.lock().get(key).cloned()
    }

    /// Notes `LastProcessingResult` of a mapping.
    pub(super) fn note(&self, key: &EventSourceMappingKey, result: &str) {
        let mut results = self.results.lock();
        match results.get_mut(key) {
            Some(known) if known == result => {}
            Some(known) => result.clone_into(known),
            None => drop(results.insert(key.clone(), result.to_owned())),
        }
    }

    /// Tells all pollers to stop, and forgets what they told.
    pub(crate) fn stop_all(&self) {
        for (_, running) in std::mem::take(&mut *self.running.lock()) {
            running.stop.cancel();
        }
        self.results.lock().clear();
    }
}

impl Lambda {
    /// Keeps a poller running for each mapping that is enabled; ends when haar stops.
    pub async fn poll_sources(self: Arc<Self>) {
        let marks = match Checkpoints::open(&self.doors.kv, CHECKPOINTS) {
            Ok(marks) => marks,
            Err(error) => return tracing::error!(%error, "event sources cannot be polled"),
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
                if change.lost || change.rows::<EventSourceMappingRow>().next().is_some() {
                    break;
                }
            }
        }
    }

    /// Ends all pollers; batches that are on their way are cut short with the fleet.
    pub fn stop_polling(&self) {
        self.pollers.stop.cancel();
        self.pollers.stop_all();
    }

    /// Starts what is to run and does not, stops what runs and is not to.
    fn reconcile(self: &Arc<Self>, marks: &Checkpoints) {
        let snapshot = self.doors.ledger.snapshot();
        let mut wanted: BTreeMap<_, _> =
            snapshot.all::<EventSourceMappingRow>().map(|row| (row.key.clone(), row)).collect();
        let known = wanted.clone();
        wanted.retain(|_, row| row.enabled && row.state != MappingState::Deleting);
        let mut running = self.pollers.running.lock();
        let keys: Vec<_> =
            running.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in keys {
            if known.contains_key(&key) {
                // stays in sight: the next poller of the mapping waits until this one has ended
                if let Some(old) = running.get(&key) {
                    old.stop.cancel();
                }
                continue;
            }
            let Some(old) = running.remove(&key) else { continue };
            old.stop.cancel();
            self.pollers.results.lock().remove(&key);
            forget_later(old.task, marks.clone(), key.uuid);
        }
        for (key, row) in wanted {
            let before = match running.get(&key) {
                Some(old) if is_same(&old.row, &row) && !old.stop.is_cancelled() => continue,
                _ => running.remove(&key),
            };
            if let Some(started) = self.start_poller(row, before, marks) {
                running.insert(key, started);
            }
        }
    }

    /// Starts a mapping's poller when the one before has ended; `None` for sources that nobody
    /// serves here.
    #[allow(clippy::disallowed_methods)] // the room's own loops
    fn start_poller(
        self: &Arc<Self>,
        row: Arc<EventSourceMappingRow>,
        before: Option<Running>,
        marks: &Checkpoints,
    ) -> Option<Running> {
        let kind = SourceKind::of_arn(row.settings.event_source_arn.as_deref()?).ok()?;
        let is_queue = matches!(kind, SourceKind::Queue | SourceKind::FifoQueue);
        if !is_queue && !kind.has_shards() {
            return None;
        }
        let stop = CancellationToken::new();
        let (room, marks, row_of_poller) = (Arc::clone(self), marks.clone(), Arc::clone(&row));
        let stop_of_poller = stop.clone();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.stop.cancel();
                let _ = before.task.await;
            }
            room.poll(row_of_poller, kind, marks, stop_of_poller).await;
        });
        Some(Running { row, stop, task })
    }

    async fn poll(
        self: Arc<Self>,
        row: Arc<EventSourceMappingRow>,
        kind: SourceKind,
        marks: Checkpoints,
        stop: CancellationToken,
    ) {
        let clock = self.doors.clock.clone();
        let filters = Arc::new(filters_of(&row));
        let poll = Poll { room: Arc::clone(&self), row: Arc::clone(&row), filters };
        let consumer: Arc<dyn Consumer> = Arc::new(FunctionConsumer::new(poll.clone()));
        match kind {
            SourceKind::Kinesis | SourceKind::DynamoDb => {
                let stream: Arc<dyn Stream> = match kind {
                    SourceKind::Kinesis => source::open(poll.errand(), RecordStyle::Nested),
                    _ => Arc::new(TableSource::new(poll.errand())),
                };
                let settings = stream_settings(&self, &row);
                let name = row.key.uuid.clone();
                poll_stream(name, (stream, consumer), settings, marks, clock, stop).await;
            }
            _ => {
                let queue: Arc<dyn Queue> = Arc::new(QueueSource::new(poll.errand()));
                poll_queue(queue, consumer, queue_settings(&self, &row), clock, stop).await;
            }
        }
    }

    /// Forgets the checkpoints of mappings that went while haar was down.
    fn forget_orphans(&self, marks: &Checkpoints) {
        let snapshot = self.doors.ledger.snapshot();
        let known =
            snapshot.all::<EventSourceMappingRow>().map(|row| row.key.uuid.clone()).collect();
        if let Err(error) = marks.forget_all_but(&known) {
            tracing::warn!(%error, "old checkpoints were not removed");
        }
    }
}

/// True where the poller of one row serves the other too.
fn is_same(one: &EventSourceMappingRow, other: &EventSourceMappingRow) -> bool {
    one.settings == other.settings && one.function == other.function
}

/// Forgets a mapping's checkpoints once its poller has ended.
#[allow(clippy::disallowed_methods)] // as above
fn forget_later(task: JoinHandle<()>, marks: Checkpoints, uuid: String) {
    tokio::spawn(async move {
        let _ = task.await;
        if let Err(error) = marks.forget(&uuid) {
            tracing::warn!(%error, "checkpoints of a mapping that is gone were not removed");
        }
    });
}

fn filters_of(row: &EventSourceMappingRow) -> Filters {
    let criteria = row.settings.filter_criteria.as_ref();
    let filters = criteria.and_then(|criteria| criteria.filters.as_deref()).unwrap_or_default();
    let texts = filters.iter().filter_map(|filter| filter.pattern.as_deref());
    Filters::compile(texts).unwrap_or_else(|error| {
        tracing::error!(%error, mapping = %row.key.uuid, "filters cannot be read; all is wanted");
        Filters::default()
    })
}

fn number(given: Option<i32>) -> Option<u32> {
    given.and_then(|given| u32::try_from(given).ok())
}

fn seconds(given: Option<i32>) -> Option<Duration> {
    number(given).map(|given| Duration::from_secs(u64::from(given)))
}

fn bounds(row: &EventSourceMappingRow) -> batch::Bounds {
    let settings = &row.settings;
    batch::Bounds {
        count_max: number(settings.batch_size).unwrap_or(1).max(1) as usize,
        window: seconds(settings.maximum_batching_window_in_seconds).unwrap_or_default(),
    }
}

fn reports(row: &EventSourceMappingRow) -> bool {
    let types = row.settings.function_response_types.as_deref().unwrap_or_default();
    types.contains(&FunctionResponseType::ReportBatchItemFailures)
}

fn queue_settings(room: &Lambda, row: &EventSourceMappingRow) -> QueueSettings {
    let scaling = row.settings.scaling_config.as_ref();
    QueueSettings {
        bounds: bounds(row),
        reports: reports(row),
        concurrency_max: scaling.and_then(|scaling| number(scaling.maximum_concurrency)),
        pollers: row.settings.provisioned_poller_config.as_ref().map(|config| {
            // defaults: AWS docs: *API Reference > ProvisionedPollerConfig*
            let least = number(config.minimum_pollers).unwrap_or(2);
            (least, number(config.maximum_pollers).unwrap_or(200).max(least))
        }),
        wait_divisor: room.doors.settings.wait_divisor,
    }
}

fn stream_settings(room: &Lambda, row: &EventSourceMappingRow) -> StreamSettings {
    let settings = &row.settings;
    StreamSettings {
        position: match settings.starting_position {
            Some(EventSourcePosition::Latest) => Position::Latest,
            Some(EventSourcePosition::AtTimestamp) => {
                Position::At(settings.starting_position_timestamp.unwrap_or_default())
            }
            _ => Position::Horizon,
        },
        bounds: bounds(row),
        retry: retry::Settings {
            retries_max: number(settings.maximum_retry_attempts),
            age_max: seconds(settings.maximum_record_age_in_seconds),
            bisects: settings.bisect_batch_on_function_error == Some(true),
            reports: reports(row),
        },
        lanes: number(settings.parallelization_factor).unwrap_or(1).max(1) as usize,
        window: seconds(settings.tumbling_window_in_seconds).filter(|window| !window.is_zero()),
        wait_divisor: room.doors.settings.wait_divisor,
    }
}
