//! Polling one stream: begins its shards in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use haar_clock::Clock;
use haar_kv::KvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::checkpoint::{Began, Mark};
use super::reader::read_shard;
use super::{Checkpoints, Position, Stream, StreamSettings};
use crate::rules::shards::ready;
use crate::{Consumer, SourceError};

/// Wait after a stream did not answer.
const REFUSED_WAIT: Duration = Duration::from_secs(5);

/// What all shards of a poller share.
pub(super) struct Poller {
    /// Names it in the checkpoints.
    pub(super) name: String,
    pub(super) stream: Arc<dyn Stream>,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) settings: StreamSettings,
    pub(super) marks: Checkpoints,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

impl Poller {
    /// Waits as long as documented, or until it is time to stop.
    pub(super) async fn pause(&self, documented: Duration) {
        let wait = documented / self.settings.wait_divisor.max(1);
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.clock.sleep(wait) => {}
        }
    }
}

/// Polls a stream until it is told to stop; then waits for the batches that are on their way.
/// `name` names the poller in `marks`.
pub async fn poll_stream(
    name: String,
    (stream, consumer): (Arc<dyn Stream>, Arc<dyn Consumer>),
    settings: StreamSettings,
    marks: Checkpoints,
    clock: Clock,
    stop: CancellationToken,
) {
    let poller = Arc::new(Poller { name, stream, consumer, settings, marks, clock, stop });
    let mut running = JoinSet::new();
    let mut begun = BTreeSet::new();
    while !poller.stop.is_cancelled() {
        // Seen before looking, so that nothing is missed between.
        let grown = poller.stream.grown();
        match poller.begin_shards(&mut begun, &mut running).await {
            Ok(()) => {}
            Err(error) => {
                poller.consumer.note(&format!("PROBLEM: {error}"));
                poller.pause(REFUSED_WAIT).await;
                continue;
            }
        }
        tokio::select! {
            biased;
            () = poller.stop.cancelled() => break,
            Some(ended) = running.join_next() => {
                if let Ok(shard) = ended {
                    begun.remove(&shard);
                }
            }
            () = changed(grown), if running.is_empty() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Waits for a change; for ever where there is nothing that changes.
async fn changed(grown: Option<tokio::sync::watch::Receiver<u64>>) {
    match grown {
        Some(mut grown) => {
            if grown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

/// Why shards were not begun.
#[derive(Debug, thiserror::Error)]
enum NotBegun {
    #[error("{0}")]
    Source(#[from] SourceError),
    #[error("{0}")]
    Store(#[from] KvError),
}

impl Poller {
    /// Begins the shards that may be begun.
    async fn begin_shards(
        self: &Arc<Self>,
        begun: &mut BTreeSet<String>,
        running: &mut JoinSet<String>,
    ) -> Result<(), NotBegun> {
        let incarnation = self.stream.incarnation(); // before its shards: they are its own, or newer
        let mut known: BTreeMap<String, Mark> =
            self.marks.shards(&self.name)?.into_iter().collect();
        let shards = self.stream.shards().await?;
        let parents: BTreeMap<String, Vec<String>> =
            shards.into_iter().map(|shard| (shard.id, shard.parents)).collect();
        for shard in known.keys().filter(|shard| !parents.contains_key(*shard)) {
            self.marks.remove(&self.name, shard)?; // it is gone with its records
        }
        if known.is_empty() {
            // All that is there now begins where it was asked for, all that comes at its start.
            for shard in parents.keys() {
                self.mark_beginning(shard, incarnation)?;
            }
        }
        // A stream that was made again under its name has shards of the same names.
        let idle = known.iter_mut().filter(|(shard, _)| !begun.contains(*shard));
        for (shard, mark) in idle.filter(|(_, mark)| mark.is_of_another(incarnation)) {
            *mark = Mark { began: Some(Began::Horizon), incarnation, ..Mark::default() };
            self.marks.put(&self.name, shard, mark)?;
        }
        let finished = known.iter().filter(|(_, mark)| mark.is_finished);
        let finished = finished.map(|(shard, _)| shard.clone()).collect();
        for shard in ready(&parents, begun, &finished) {
            begun.insert(shard.clone());
            running.spawn(read_shard(Arc::clone(self), shard, incarnation));
        }
        Ok(())
    }

    fn mark_beginning(&self, shard: &str, incarnation: Option<u64>) -> Result<(), KvError> {
        let position = match &self.settings.position {
            Position::Latest => self.stream.latest(shard),
            position => position.clone(),
        };
        let mark = Mark { began: Some(Began::of(&position)), incarnation, ..Mark::default() };
        self.marks.put(&self.name, shard, &mark)
    }
}
