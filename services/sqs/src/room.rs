//! The room: its doors, its engine, its loops.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haar_kernel::{Doors, Lanes};
use haar_kv::KvError;
use haar_ledger::{ChangeSet, Tables};
use haar_types::Timestamp;

use crate::engine::{Engine, Queue};
use crate::lanes;
use crate::metrics::Metrics;
use crate::state::{self, QueueRow};
use crate::target::Queues;

/// How long messages to empty queues are gathered before their ages are looked at.
const GATHER: Duration = Duration::from_secs(1);

/// How long nothing is removed after it could not be.
const RETRY: Duration = Duration::from_secs(60);

/// The room.
pub struct Sqs {
    pub(crate) doors: Doors,
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Metrics,
}

impl Sqs {
    /// The room's tables, to be known to the ledger before it opens.
    pub fn tables(tables: Tables) -> Tables {
        state::tables(tables)
    }

    /// Opens the room.
    ///
    /// # Errors
    /// When kv does not open the messages.
    pub fn open(doors: &Doors) -> Result<Arc<Self>, KvError> {
        let (clock, ids) = (doors.clock.clone(), doors.ids.clone());
        let engine = Arc::new(Engine::open(&doors.kv, clock, ids)?);
        let metrics = Metrics::new(doors);
        doors.targets.offer("sqs", Arc::new(Queues(doors.clone())));
        Ok(Arc::new(Self { doors: doors.clone(), engine, metrics }))
    }

    /// Every operation in its lane.
    pub fn lanes(lanes: &mut Lanes<Self>) {
        lanes::lanes(lanes);
    }

    /// Removes what purges and deleted queues left, and messages that are past their queue's retention, and tells CloudWatch each minute
    /// how many there are; never ends. The wiring spawns it.
    pub fn run(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let (young, measured) = (Arc::clone(self).keep_young(), Arc::clone(self).measure());
        let clean = Arc::clone(self).keep_clean();
        async move {
            futures_util::join!(young, measured, clean);
        }
    }

    /// Forgets what is in memory; to be called in a reset.
    pub fn forget(&self) {
        self.engine.forget();
    }

    /// A queue at work, whose messages may not have been read yet.
    pub(crate) fn queue(&self, row: &QueueRow) -> Arc<Queue> {
        self.engine.queue(row.id, row.settings.is_fifo)
    }

    /// A queue at work.
    pub(crate) async fn at_work(&self, row: &QueueRow) -> Result<Arc<Queue>, KvError> {
        let queue = self.queue(row);
        self.engine.ready(&queue).await?;
        Ok(queue)
    }

    async fn keep_young(self: Arc<Self>) {
        loop {
            let working = self.doors.clock.working();
            let next = self.expire_all().await.unwrap_or_else(|error| {
                tracing::error!(%error, "could not remove old messages");
                None
            });
            drop(working);
            let clock = &self.doors.clock;
            let rest = async {
                match next {
                    Some(at) => clock.sleep_until_past(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rest => {}
                // each message to an empty queue tells of itself: they are looked at together
                () = self.engine.aged.notified() => clock.sleep(GATHER).await,
            }
        }
    }

    /// Removes what purges and deleted queues left, now and whenever there is something.
    async fn keep_clean(self: Arc<Self>) {
        let mut changes = self.doors.ledger.changes();
        loop {
            let ids = OnceLock::new();
            let is_there = |id: u64| ids.get_or_init(|| self.ids()).contains(&id);
            if let Err(error) = self.engine.clean(is_there).await {
                tracing::error!(%error, "could not remove messages of deleted or purged queues");
                self.doors.clock.sleep(RETRY).await;
                continue;
            }
            loop {
                let changes = tokio::select! {
                    () = self.engine.soiled.notified() => break,
                    changes = changes.next() => changes,
                };
                let Some(changes) = changes else { return };
                if self.forget_deleted(&changes) {
                    break;
                }
            }
        }
    }

    /// Forgets queues that were deleted, also by callers who hung up; whether there are any.
    fn forget_deleted(&self, changes: &ChangeSet) -> bool {
        let gone = changes.rows::<QueueRow>().filter(|(_, new)| new.is_none());
        let gone: Vec<u64> = gone.filter_map(|(old, _)| Some(old?.id)).collect();
        gone.iter().for_each(|id| self.engine.remove_queue(*id));
        changes.lost || !gone.is_empty()
    }

    fn ids(&self) -> BTreeSet<u64> {
        self.doors.ledger.snapshot().all::<QueueRow>().map(|row| row.id).collect()
    }

    /// Removes what is too old; answers when the next message will be.
    async fn expire_all(&self) -> Result<Option<Timestamp>, KvError> {
        let (ledger, now) = (&self.doors.ledger, self.doors.clock.now());
        let mut next: Option<Timestamp> = None;
        for row in ledger.snapshot().all::<QueueRow>() {
            let queue = self.at_work(&row).await?;
            // as it is now: it may keep messages longer since those before it were looked at
            let now_there = ledger.snapshot().get::<QueueRow>(&row.key);
            let Some(row) = now_there.filter(|there| there.id == row.id) else {
                self.engine.remove_queue(row.id); // it was brought to memory after it was deleted
                continue;
            };
            self.expire(&row, &queue, now).await?;
            if let (_, Some(oldest)) = self.engine.counts(&queue)? {
                let at = oldest + row.retention();
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        Ok(next)
    }

    /// Removes what is too old in one queue.
    pub(crate) async fn expire(
        &self,
        row: &QueueRow,
        queue: &Queue,
        now: Timestamp,
    ) -> Result<(), KvError> {
        let kept_ms = i64::try_from(row.retention().as_millis()).unwrap_or(i64::MAX);
        self.engine.expire(queue, Timestamp(now.0.saturating_sub(kept_ms))).await
    }
}
