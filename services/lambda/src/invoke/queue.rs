//! The durable queue of asynchronous events.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haar_clock::{Clock, News, Working as AtWork};
use haar_cloudwatch_contract::peek::MetricSink;
use haar_kv::{Batch, Durability, Keyspace, Kv, KvError};
use haar_types::{AccountId, Region, RequestId, Timestamp};
use parking_lot::Mutex;

use super::async_event::{AsyncEvent, EventTarget, FunctionDirectory};
use super::turns::{Owner, Turn, Turns};
use super::worker;
use crate::fleet::{Detached, Fleet};

/// What the operator may set.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Documented waits are divided by this.
    pub wait_divisor: u32,
    /// Events of one function that are worked on at once.
    pub working_max: usize,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { wait_divisor: 1, working_max: 256 }
    }
}

/// What the queue needs.
pub struct QueueParts {
    /// Runs the functions.
    pub fleet: Fleet,
    /// Finds the functions.
    pub directory: Arc<dyn FunctionDirectory>,
    /// Delivers to what is not a function.
    pub targets: Arc<dyn EventTarget>,
    /// Keeps the events.
    pub kv: Kv,
    /// Time.
    pub clock: Clock,
    /// `AsyncEventsReceived` and its kin.
    pub metrics: Arc<dyn MetricSink>,
    /// What the operator chose.
    pub settings: QueueSettings,
}

/// The durable queue of asynchronous events. Cheap to clone.
#[derive(Clone)]
pub struct AsyncQueue {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) parts: QueueParts,
    events: Keyspace,
    turns: Mutex<Turns>,
    news: News,
}

impl AsyncQueue {
    /// Opens the queue with the events that were left in it, and starts to work on them.
    ///
    /// # Errors
    /// When the store cannot be read.
    #[allow(clippy::disallowed_methods)] // the queue's own loop
    pub fn open(parts: QueueParts) -> Result<Self, KvError> {
        let events = parts.kv.keyspace("lambda.async")?;
        let mut turns = Turns::new(parts.settings.working_max);
        for entry in events.all() {
            let entry = entry?;
            match serde_json::from_slice::<AsyncEvent>(&entry.value) {
                Ok(event) => {
                    let owner = Turns::owner(&event);
                    turns.add(event.due_at, event.request_id, owner);
                }
                Err(error) => tracing::error!(%error, "an event in the queue cannot be read"),
            }
        }
        let (turns, news) = (Mutex::new(turns), News::default());
        let inner = Arc::new(Inner { parts, events, turns, news });
        tokio::spawn(work(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Keeps an event; it is on disk when this resolves. A caller that hangs up before has it
    /// kept and worked on all the same.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn accept(&self, event: AsyncEvent) -> Result<(), KvError> {
        let inner = Arc::clone(&self.inner);
        let accepting = async move {
            inner.store(&event, Durability::Synced).await?;
            inner.count(&event, "AsyncEventsReceived", 1.0);
            inner.schedule(&event);
            Ok(())
        };
        Detached::new(accepting).await
    }

    /// Events that wait or are worked on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn len(&self) -> Result<usize, KvError> {
        self.inner.events.all().try_fold(0, |count, entry| entry.map(|_| count + 1))
    }

    /// True when no event waits or is worked on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_empty(&self) -> Result<bool, KvError> {
        Ok(self.len()? == 0)
    }

    /// Forgets all events, for a reset.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn clear(&self) -> Result<(), KvError> {
        self.inner.turns.lock().clear();
        self.inner.events.remove_prefix("")?;
        Ok(())
    }

    /// An event as it is accepted.
    pub fn event(
        &self,
        request_id: &RequestId,
        (account, region): (&AccountId, &Region),
        function_name: &str,
        qualifier: Option<&str>,
        payload: Bytes,
    ) -> AsyncEvent {
        let now = self.inner.parts.clock.now();
        let suffix = qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        AsyncEvent {
            request_id: request_id.as_str().to_owned(),
            account: account.clone(),
            region: region.clone(),
            function_name: function_name.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            invoked_arn: format!(
                "arn:aws:lambda:{region}:{account}:function:{function_name}{suffix}"
            ),
            payload,
            trace: None,
            is_loop: false,
            accepted_at: now,
            tried_count: 0,
            is_running: false,
            interrupted_count: 0,
            due_at: now,
            turned_away_count: 0,
        }
    }
}

impl Inner {
    /// A documented wait, shortened as the operator asked.
    pub(super) fn wait(&self, documented: Duration) -> Duration {
        documented / self.parts.settings.wait_divisor.max(1)
    }

    pub(super) async fn store(
        &self,
        event: &AsyncEvent,
        durability: Durability,
    ) -> Result<(), KvError> {
        let record = serde_json::to_vec(event).expect("an event is JSON");
        let mut batch = Batch::new();
        batch.put(&self.events, event.request_id.clone().into_bytes(), record);
        self.parts.kv.commit(batch, durability).await
    }

    /// Writes an event over itself, buffered: what it notes (that it runs, its tries) must outlive
    /// haar, and where the machine goes down the event as it was accepted is still there. One that
    /// was forgotten meanwhile, by a reset, stays so.
    pub(super) async fn store_again(&self, event: &AsyncEvent) -> Result<(), KvError> {
        match self.events.get(event.request_id.as_str())? {
            Some(_) => self.store(event, Durability::Buffered).await,
            None => Ok(()),
        }
    }

    pub(super) fn schedule(&self, event: &AsyncEvent) {
        self.schedule_at(event.due_at, event.request_id.clone(), Turns::owner(event));
    }

    fn schedule_at(&self, at: Timestamp, request_id: String, owner: Owner) {
        self.turns.lock().add(at, request_id, owner);
        self.tell();
    }

    fn tell(&self) {
        self.news.tell(&self.parts.clock);
    }

    /// The event is dealt with.
    pub(super) fn remove(&self, event: &AsyncEvent) {
        if let Err(error) = self.events.remove(event.request_id.clone().into_bytes()) {
            tracing::error!(%error, "could not remove an event from the queue");
        }
    }

    /// An event as it is to be tried now; `None` where it was forgotten. One that still runs was
    /// interrupted when haar ended. One that cannot be read now is looked at again later.
    fn read(&self, request_id: &str, owner: &Owner) -> Option<AsyncEvent> {
        let record = match self.events.get(request_id) {
            Ok(record) => record?,
            Err(error) => {
                tracing::error!(%error, "could not read an event; it waits");
                let later = self.parts.clock.now() + UNREADABLE_WAIT;
                self.schedule_at(later, request_id.to_owned(), Arc::clone(owner));
                return None;
            }
        };
        let read = serde_json::from_slice::<AsyncEvent>(&record);
        let mut event =
            read.inspect_err(|error| tracing::error!(%error, "an event is broken")).ok()?;
        if std::mem::take(&mut event.is_running) {
            event.interrupted_count += 1;
        }
        Some(event)
    }

    pub(super) fn count(&self, event: &AsyncEvent, metric: &str, value: f64) {
        let name = event.function_name.as_str();
        let unit = if metric == "AsyncEventAge" { "Milliseconds" } else { "Count" };
        let both = [("FunctionName", name), ("Resource", name)];
        for dimensions in [&[][..], &both[..1], &both[..]] {
            self.parts.metrics.record(haar_cloudwatch_contract::peek::Sample {
                account: &event.account,
                region: &event.region,
                namespace: "AWS/Lambda",
                metric,
                dimensions,
                unit,
                value,
                at: self.parts.clock.now(),
            });
        }
    }
}

/// An event that is worked on; the next of its function may start when this is dropped.
struct Working {
    queue: Arc<Inner>,
    owner: Owner,
    _at_work: AtWork,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.queue.turns.lock().ended(&self.owner);
        self.queue.tell();
    }
}

/// Starts each event when it is due; ends with the queue.
#[allow(clippy::disallowed_methods)] // the queue's own futures
async fn work(queue: std::sync::Weak<Inner>) {
    let Some(mut at_work) = queue.upgrade().map(|inner| inner.parts.clock.working()) else {
        return;
    };
    loop {
        let Some(inner) = queue.upgrade() else { return };
        let news = inner.news.take();
        let turn = inner.turns.lock().next(inner.parts.clock.now());
        match turn {
            Turn::Start(request_id, owner) => {
                let _at_work = inner.parts.clock.working();
                let working = Working { queue: inner, owner, _at_work };
                let Some(event) = working.queue.read(&request_id, &working.owner) else { continue };
                tokio::spawn(async move {
                    worker::attempt(&working.queue, event).await;
                    drop(working);
                });
            }
            Turn::Wait(until) => {
                drop(news);
                let clock = &inner.parts.clock;
                let due = async {
                    match until {
                        Some(at) => clock.sleep_until_time(at).await,
                        None => std::future::pending().await,
                    }
                };
                at_work = inner.news.rest(clock, at_work, due, IDLE_WAIT).await;
            }
        }
    }
}

/// Never longer than this, so that a queue that is dropped is noticed.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// How long an event waits that the store could not give.
const UNREADABLE_WAIT: Duration = Duration::from_secs(1);
