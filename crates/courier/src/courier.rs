//! Sending and carrying.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use haar_clock::{Clock, News};
use haar_kv::{Batch, Keyspace, Kv, KvError};
use haar_types::Timestamp;
use parking_lot::Mutex;

use crate::schedule::{Next, Schedule, Way};
use crate::{Letter, Parcel};

/// What becomes of a parcel after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Dealt with: it arrived, went to the dead letters, or was given up.
    Done,
    /// It failed, and is to be carried again, so much later.
    Retry(Duration),
    /// It was not its turn: it is to be carried so much later, and has not failed.
    Later(Duration),
    /// It failed for good; this is to be carried in its place, so much later.
    Instead(Bytes, Duration),
}

/// Carries parcels to where they belong.
pub trait Carrier: Send + Sync + 'static {
    /// Makes one attempt. It may be made again after a crash, so it must bear repetition as far
    /// as the service that it stands for does.
    fn carry<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Verdict>;
}

/// What bounds a courier.
#[derive(Clone, Copy, Debug)]
pub struct CourierSettings {
    /// Parcels that are carried at once; half of them for one account at most.
    pub carried_max: usize,
    /// Parcels of one shared lane of an account that are carried at once.
    pub per_lane_max: usize,
}

impl Default for CourierSettings {
    fn default() -> Self {
        Self { carried_max: 512, per_lane_max: 64 }
    }
}

/// Why parcels were not taken, or not found again.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// The store does not answer.
    #[error("could not reach the parcels: {0}")]
    Store(#[from] KvError),
    /// A parcel on disk cannot be understood.
    #[error("could not read a parcel: {0}")]
    Broken(#[from] haar_pack::Error),
}

/// How long to wait after a failure: `first`, then twice as long each time, `longest` at most.
pub fn back_off(first: Duration, longest: Duration, failed_count: u32) -> Duration {
    first.saturating_mul(1 << failed_count.min(20)).min(longest)
}

/// Carries the parcels of one room. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub struct Courier {
    inner: Arc<Inner>,
}

struct Inner {
    kv: Kv,
    parcels: Keyspace,
    clock: Clock,
    carrier: Arc<dyn Carrier>,
    last_number: AtomicU64,
    schedule: Mutex<Schedule>,
    news: News,
}

/// Parcels that were written into a batch. Once the batch is applied, [`Courier::dispatch`] has
/// them carried; where that is forgotten they wait for the next start.
#[derive(Debug, Default)]
#[must_use = "staged parcels are carried once they are dispatched"]
pub struct Staged {
    parcels: Vec<(u64, Way, Timestamp)>,
}

impl Courier {
    /// Opens the parcels of `keyspace`, and starts to carry those that were left.
    ///
    /// # Errors
    /// When the store cannot be read.
    #[allow(clippy::disallowed_methods)] // the courier's own loop
    pub fn open(
        kv: &Kv,
        clock: Clock,
        keyspace: &'static str,
        carrier: Arc<dyn Carrier>,
        settings: CourierSettings,
    ) -> Result<Self, CourierError> {
        let parcels = kv.keyspace(keyspace)?;
        let (mut schedule, mut last_number) = (Schedule::new(settings), 0);
        for entry in parcels.all() {
            let parcel: Parcel = haar_pack::read(&entry?.value)?;
            last_number = parcel.number;
            let way = Way { owner: parcel.owner, lane: parcel.lane };
            schedule.add(parcel.number, way, parcel.due_at);
        }
        let inner = Arc::new(Inner {
            kv: kv.clone(),
            parcels,
            clock,
            carrier,
            last_number: AtomicU64::new(last_number),
            schedule: Mutex::new(schedule),
            news: News::default(),
        });
        tokio::spawn(run(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Writes letters into a batch, as parcels.
    pub fn stage(&self, batch: &mut Batch, letters: impl IntoIterator<Item = Letter>) -> Staged {
        let (now, mut staged) = (self.inner.clock.now(), Staged::default());
        for Letter { owner, lane, payload, due_at, failed_count } in letters {
            let number = self.inner.last_number.fetch_add(1, Ordering::Relaxed) + 1;
            let due_at = due_at.unwrap_or(now);
            let way = Way { owner: owner.clone(), lane: lane.clone() };
            staged.parcels.push((number, way, due_at));
            let parcel =
                Parcel { number, lane, payload, sent_at: now, due_at, failed_count, owner };
            batch.put(&self.inner.parcels, number.to_be_bytes(), encoded(&parcel));
        }
        staged
    }

    /// Has staged parcels carried: their batch is applied.
    pub fn dispatch(&self, staged: Staged) {
        if staged.parcels.is_empty() {
            return;
        }
        let mut schedule = self.inner.schedule.lock();
        for (number, way, due_at) in staged.parcels {
            schedule.add(number, way, due_at);
        }
        drop(schedule);
        self.inner.news.tell(&self.inner.clock);
    }

    /// Sends letters; they are on disk when this resolves. They are carried even where its
    /// caller goes away before.
    ///
    /// # Errors
    /// When the store does not take them.
    pub async fn send(&self, letters: impl IntoIterator<Item = Letter>) -> Result<(), KvError> {
        let mut batch = Batch::new();
        let staged = self.stage(&mut batch, letters);
        self.inner.kv.apply(batch)?;
        self.dispatch(staged);
        self.inner.kv.sync().await
    }

    /// Parcels that wait or are carried.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn len(&self) -> Result<usize, KvError> {
        self.inner.parcels.all().try_fold(0, |count, entry| entry.map(|_| count + 1))
    }

    /// True when no parcel waits or is carried.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_empty(&self) -> Result<bool, KvError> {
        Ok(self.inner.parcels.all().next().transpose()?.is_none())
    }

    /// Forgets all parcels, for a reset.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn clear(&self) -> Result<(), KvError> {
        self.inner.schedule.lock().clear();
        self.inner.parcels.remove_prefix("").map(|_| ())
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Courier({})", self.inner.parcels.name())
    }
}

fn encoded(parcel: &Parcel) -> Vec<u8> {
    rmp_serde::to_vec(parcel).expect("a parcel is plain data")
}

/// Carries each parcel when it is due; ends with the courier.
#[allow(clippy::disallowed_methods)] // the courier's own futures
async fn run(courier: Weak<Inner>) {
    let Some(mut at_work) = courier.upgrade().map(|inner| inner.clock.working()) else { return };
    loop {
        let Some(inner) = courier.upgrade() else { return };
        let news = inner.news.take();
        let next = inner.schedule.lock().next(inner.clock.now());
        match next {
            Next::Carry(number, way) => {
                let working = inner.clock.working();
                tokio::spawn(async move {
                    inner.attempt(number, &way).await;
                    drop(working);
                });
            }
            Next::At(at) => {
                drop(news);
                let due = inner.clock.sleep_until_time(at);
                at_work = inner.news.rest(&inner.clock, at_work, due, IDLE_WAIT).await;
            }
            Next::Idle => {
                drop(news);
                let never = std::future::pending();
                at_work = inner.news.rest(&inner.clock, at_work, never, IDLE_WAIT).await;
            }
        }
    }
}

/// Never longer than this, so that a courier that is dropped is noticed.
const IDLE_WAIT: Duration = Duration::from_secs(5);

/// How long a parcel waits that could not be read, or whose carrier panicked.
const FAULT_WAIT: Duration = Duration::from_secs(1);

impl Inner {
    async fn attempt(&self, number: u64, way: &Arc<Way>) {
        let parcel = match self.read(number) {
            Ok(Some(parcel)) => parcel,
            Ok(None) => return self.place_is_free(way), // forgotten meanwhile, by a reset
            Err(error) => {
                tracing::error!(%error, "could not read a parcel; it waits");
                return self.again_later(number, way, FAULT_WAIT);
            }
        };
        let carried = AssertUnwindSafe(self.carrier.carry(&parcel)).catch_unwind().await;
        let verdict = carried.unwrap_or_else(|_| {
            tracing::error!(parcels = self.parcels.name(), "a carrier panicked; it tries again");
            Verdict::Retry(back_off(FAULT_WAIT, Duration::from_secs(300), parcel.failed_count))
        });
        match verdict {
            Verdict::Done => {
                if let Err(error) = self.parcels.remove(number.to_be_bytes()) {
                    tracing::error!(%error, "could not remove a parcel; it will be carried again");
                }
                self.place_is_free(way);
            }
            Verdict::Retry(wait) => self.failed(parcel, way, wait),
            Verdict::Instead(payload, wait) => self.failed(Parcel { payload, ..parcel }, way, wait),
            Verdict::Later(wait) => self.again_later(number, way, wait),
        }
    }

    fn failed(&self, parcel: Parcel, way: &Arc<Way>, wait: Duration) {
        let (number, due_at) = (parcel.number, self.clock.now() + wait);
        let failed_count = parcel.failed_count + 1;
        self.note_failure(Parcel { due_at, failed_count, ..parcel });
        self.again_later(number, way, wait);
    }

    fn read(&self, number: u64) -> Result<Option<Parcel>, CourierError> {
        let record = self.parcels.get(number.to_be_bytes())?;
        Ok(record.map(|record| haar_pack::read(&record)).transpose()?)
    }

    /// Writes a parcel over itself. One that was forgotten meanwhile, by a reset, stays so.
    fn note_failure(&self, parcel: Parcel) {
        let key = parcel.number.to_be_bytes();
        let written = match self.parcels.get(key) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => self.parcels.put(key, encoded(&parcel)),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%error, "could not note a retry; it is made all the same");
        }
    }

    fn place_is_free(&self, way: &Arc<Way>) {
        self.schedule.lock().done(way);
        self.news.tell(&self.clock);
    }

    fn again_later(&self, number: u64, way: &Arc<Way>, wait: Duration) {
        self.schedule.lock().again(number, way, self.clock.now() + wait);
        self.news.tell(&self.clock);
    }
}
