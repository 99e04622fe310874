//! What a controller is.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use haar_clock::{Clock, IdSource};
use haar_ledger::{ChangeSet, Ledger, LedgerError, Snapshot};
use haar_types::Timestamp;

use crate::seats::Seat;

/// Brings what is closer to what should be, one key at a time.
pub trait Controller: Send + Sync + 'static {
    /// Names one thing to look after.
    type Key: Ord + Clone + Debug + Send + Sync + 'static;
    /// One idempotent deed.
    type Step: Debug + Send + 'static;

    /// Its name in logs and metrics: `lambda.functions`.
    const NAME: &'static str;
    /// Whose time its plans and acts are told.
    const TIME: TimeOf = TimeOf::Cloud;
    /// Keys acted on at once, but for those whose acts wait [aside](ActCx::aside).
    const CONCURRENCY: usize = 16;

    /// The keys that a commit concerns.
    fn keys(&self, changes: &ChangeSet) -> Vec<Self::Key>;

    /// All keys there are; asked at start, after lost changes, and now and then.
    fn all(&self, snapshot: &Snapshot) -> Vec<Self::Key>;

    /// Reads rows and the time, answers what is to be done. Pure: no I/O, no clock, no await.
    fn plan(&self, snapshot: &Snapshot, key: &Self::Key, now: Timestamp) -> Plan<Self::Step>;

    /// Does one step, then commits what it found. May be repeated: it may have been done.
    fn act(
        &self,
        step: Self::Step,
        cx: &ActCx,
    ) -> impl Future<Output = Result<(), ActError>> + Send;
}

/// Whose time a controller lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOf {
    /// The cloud's, which may be moved: from each key's time to the next.
    Cloud,
    /// The same, for rounds of housekeeping: a move does not stop for them.
    CloudInPassing,
    /// The machine's: for what waits for real processes.
    Machine,
}

impl TimeOf {
    pub(crate) fn context(self, cx: &ActCx) -> ActCx {
        let mut cx = cx.clone();
        if self == Self::Machine {
            cx.clock = cx.clock.machine();
        }
        cx
    }
}

/// What is to be done for a key, in this order, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<S> {
    /// Done one after another; the first that fails ends the round.
    pub steps: Vec<S>,
    /// Look again at this time, even if nothing changed.
    pub wake_at: Option<Timestamp>,
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Self { steps: Vec::new(), wake_at: None }
    }
}

impl<S> Plan<S> {
    /// One step.
    pub fn step(step: S) -> Self {
        Self { steps: vec![step], wake_at: None }
    }

    /// The same steps, and another look at that time.
    #[must_use]
    pub fn wake_at(mut self, at: Timestamp) -> Self {
        self.wake_at = Some(at);
        self
    }
}

/// What an act has at hand; a controller holds its other doors itself.
#[derive(Clone)]
pub struct ActCx {
    /// Where findings are committed.
    pub ledger: Ledger,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub ids: IdSource,
    /// Of the act that has this.
    seat: Option<Arc<Seat>>,
}

impl ActCx {
    /// What acts of all controllers have at hand.
    pub fn new(ledger: Ledger, clock: Clock, ids: IdSource) -> Self {
        Self { ledger, clock, ids, seat: None }
    }

    /// The same for one act, which holds a seat until this is dropped.
    pub(crate) fn seated(&self, seat: Seat) -> Self {
        Self { seat: Some(Arc::new(seat)), ..self.clone() }
    }

    /// Waits for what is not the act's own work: a process that takes its time to end, a registry
    /// that answers slowly. Meanwhile the act is not counted among those that may go on at once,
    /// so that many that wait keep nobody from acting.
    pub async fn aside<T>(&self, others: impl Future<Output = T>) -> T {
        let mut others = pin!(others);
        if let Poll::Ready(outcome) = futures_util::poll!(others.as_mut()) {
            return outcome;
        }
        let Some(seat) = &self.seat else { return others.await };
        seat.leave();
        let outcome = others.await;
        seat.take_again().await;
        outcome
    }
}

/// Why a step was not done.
#[derive(Debug)]
pub struct ActError {
    /// The same step may succeed later with nothing else changed.
    pub is_transient: bool,
    /// In words, for the log.
    pub reason: String,
}

impl ActError {
    /// Try again, soon at first, then ever more seldom.
    pub fn transient(reason: impl ToString) -> Self {
        Self { is_transient: true, reason: reason.to_string() }
    }

    /// Trying again soon is of no use; the next change or resync will.
    pub fn lasting(reason: impl ToString) -> Self {
        Self { is_transient: false, reason: reason.to_string() }
    }
}

impl From<LedgerError> for ActError {
    fn from(error: LedgerError) -> Self {
        Self::transient(error)
    }
}
