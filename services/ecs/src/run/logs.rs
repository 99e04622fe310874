//! The `awslogs` driver: a container's kept output, line by line, into its log stream.
//!
//! Nothing is lost and nothing is there twice, whatever crashes: how far the output is in the
//! stream is kept with a lag, and what was sent since is recognised in the stream itself.

mod lines;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use haar_clock::Moment;
use haar_logs_contract::peek::{LogLine, LogSink};
use haar_substrate::{LogChunk, SandboxId, SubstrateError};
use haar_types::Timestamp;
use tokio::sync::watch;

use crate::Ecs;
use crate::doors::StreamName;
use crate::rules::awslogs::AwsLogs;
use crate::state::{LogPositionRow, TaskKey, sandbox_name};
use lines::{Event, Lines};

/// How far what is kept of the position lags: by then the sink has written its lines. *Ours*.
const LAG: Duration = Duration::from_secs(2);

/// An event of many lines that gets no more ends after so long, as Docker has it.
const MULTILINE_WAIT: Duration = Duration::from_secs(5);

/// Between attempts to reach a substrate that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Follows one container's output over all its runs.
pub(crate) struct Shipper {
    room: Arc<Ecs>,
    sink: Arc<dyn LogSink>,
    task: TaskKey,
    container: String,
    stream: StreamName,
    lines: Lines,
    /// Where reading goes on.
    next: u64,
    /// A position that is in the sink, and since when.
    mark: Option<(u64, Moment)>,
    /// What the stream may hold already, after a restart.
    known: Option<BTreeMap<(Timestamp, String), u32>>,
    is_resumed: bool,
}

impl Shipper {
    /// A shipper for a container; `is_resumed`: another process may have shipped some of it.
    pub(crate) fn new(
        room: &Arc<Ecs>,
        task: &TaskKey,
        (container, logs): (&str, AwsLogs),
        stream: StreamName,
        is_resumed: bool,
    ) -> Option<Self> {
        let key = (task.clone(), container.to_owned());
        let kept = room.doors.ledger.snapshot().get::<LogPositionRow>(&key);
        Some(Self {
            sink: room.doors.peeks.get::<dyn LogSink>()?,
            room: Arc::clone(room),
            task: task.clone(),
            container: container.to_owned(),
            stream,
            lines: Lines::new(logs.begins().ok()?),
            next: kept.map_or(0, |row| row.position),
            mark: None,
            known: None,
            is_resumed,
        })
    }

    /// Ships each run's output; `runs` tells of new ones, and its end that there are no more.
    pub(crate) async fn run(mut self, mut runs: watch::Receiver<u32>) {
        loop {
            runs.mark_unchanged();
            let ended = self.ship_run().await;
            if ended && runs.changed().await.is_err() {
                return;
            }
        }
    }

    /// True when the run has ended and all of it is shipped.
    async fn ship_run(&mut self) -> bool {
        let id = SandboxId(sandbox_name(&self.task));
        let opened = self.room.doors.substrate.logs(&id, &self.container, self.next).await;
        let mut chunks = match opened {
            Ok(chunks) => chunks,
            Err(SubstrateError::Gone(_) | SubstrateError::Unsupported(..)) => return true,
            Err(error) => {
                tracing::warn!(%error, task = %self.task.id, "could not read a container's output");
                self.room.doors.clock.sleep(RETRY).await;
                return false;
            }
        };
        loop {
            let clock = self.room.doors.clock.clone();
            match clock.timeout(MULTILINE_WAIT, chunks.next()).await {
                Err(_) => self.send_held().await, // nothing came for a while
                Ok(Some(chunk)) => self.take(chunk).await,
                Ok(None) => {
                    self.send_held().await;
                    let rest = self.lines.finish();
                    self.send(rest).await;
                    return true;
                }
            }
        }
    }

    async fn send_held(&mut self) {
        let held = self.lines.release();
        self.send(held).await;
    }

    async fn take(&mut self, chunk: LogChunk) {
        if chunk.lost > 0 {
            tracing::warn!(task = %self.task.id, bytes = chunk.lost, "output came too fast for its log");
        }
        let at = self.room.doors.clock.of_machine(chunk.at);
        let chunk = LogChunk { at, ..chunk };
        let from = std::mem::replace(&mut self.next, chunk.next);
        let events = self.lines.take(from, &chunk);
        self.send(events).await;
        self.keep_position().await;
    }

    async fn send(&mut self, events: Vec<Event>) {
        let Some(first) = events.first() else { return };
        if self.is_resumed && self.known.is_none() {
            let there = self.room.task_doors.logs.events_since(&self.stream, first.0).await;
            let mut known = BTreeMap::new();
            there.into_iter().for_each(|event| *known.entry(event).or_insert(0) += 1);
            self.known = Some(known);
        }
        let known = &mut self.known;
        let fresh = events.into_iter().filter(|event| {
            let count = known.as_mut().and_then(|known| known.get_mut(event));
            match count {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            }
        });
        let lines = fresh.map(|(timestamp, message)| LogLine { timestamp, message }).collect();
        let StreamName { account, region, group, stream } = &self.stream;
        self.sink.append(account, region, group, stream, lines);
    }

    /// Keeps a position once it is old enough to be in the stream for certain.
    async fn keep_position(&mut self) {
        let now = self.room.doors.clock.moment(); // the sink writes in real time
        let position = self.lines.position(self.next);
        let Some((marked, since)) = self.mark else {
            self.mark = Some((position, now));
            return;
        };
        if now.since(since) < LAG {
            return;
        }
        self.mark = Some((position, now));
        let key = (self.task.clone(), self.container.clone());
        let row = LogPositionRow { key, position: marked };
        let committed = self.room.doors.ledger.write(|tx| tx.put(row));
        if let Err(error) = committed.durable().await {
            tracing::error!(%error, "a log's position was not kept");
        }
    }
}
