//! A clock that runs ahead of another, by as much as its hand says.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haar_types::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::history::{History, Move};
use crate::{Clock, Moment};

/// How long nothing may be under way before the hand moves on. *Ours*.
const QUIET: Duration = Duration::from_millis(10);
/// The longest that the hand waits for one piece of work. *Ours*.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that the hand stays at one time. *Ours*.
const STAY_MAX: Duration = Duration::from_secs(60);

/// What a moved clock and its hand share.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) machine: Clock,
    offset_ms: AtomicU64,
    history: Mutex<History>,
    /// Wakes all who wait: the hand has moved.
    moved: Notify,
    waits: Mutex<Waits>,
}

#[derive(Debug, Default)]
struct Waits {
    last_id: u64,
    /// Who waits for a time that the hand stops at.
    sleepers: BTreeSet<(Timestamp, u64)>,
    /// What is under way, and since when.
    work: BTreeMap<u64, Moment>,
}

impl Waits {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Whether the hand stops at the time that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    There,
    Past,
}

impl Moved {
    pub(crate) fn new(machine: Clock) -> Self {
        Self {
            machine,
            offset_ms: AtomicU64::new(0),
            history: Mutex::default(),
            moved: Notify::new(),
            waits: Mutex::default(),
        }
    }

    pub(crate) fn offset(&self) -> Duration {
        Duration::from_millis(self.offset_ms.load(Ordering::Acquire))
    }

    pub(crate) fn of_machine(&self, at: Timestamp) -> Timestamp {
        self.history.lock().of_machine(at)
    }

    pub(crate) fn to_machine(&self, at: Timestamp) -> Timestamp {
        self.history.lock().to_machine(at)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.machine.now() + self.offset()
    }

    pub(crate) async fn sleep_until(self: &Arc<Self>, at: Timestamp, stop: Stop) {
        if self.now() >= at {
            return;
        }
        let _lies = (stop == Stop::There).then(|| Sleeper::lie_down(self, at));
        let offset = self.offset();
        loop {
            let mut moved = pin!(self.moved.notified());
            moved.as_mut().enable(); // before the look at the time: no move is missed
            let left = at.since(self.now());
            if left.is_zero() || self.offset() < offset {
                return; // or put back: whoever waits looks again at what for
            }
            tokio::select! {
                () = moved => {}
                () = self.machine.sleep(left) => {}
            }
        }
    }

    pub(crate) fn begin_work(self: &Arc<Self>) -> Working {
        let begun = self.machine.moment();
        let mut waits = self.waits.lock();
        let id = waits.next_id();
        waits.work.insert(id, begun);
        Working { at: Some((Arc::clone(self), id)) }
    }

    /// Changes how far ahead the clock is, and wakes all who wait.
    fn change<T>(&self, change: impl FnOnce(&mut History) -> T) -> T {
        let mut history = self.history.lock();
        let changed = change(&mut history);
        let ms = u64::try_from(history.offset().as_millis()).unwrap_or(u64::MAX);
        self.offset_ms.store(ms, Ordering::Release);
        drop(history);
        self.moved.notify_waiters();
        changed
    }

    /// True while somebody who is due has not begun, or works and has not for long.
    fn is_busy(&self) -> bool {
        let (now, moment) = (self.now(), self.machine.moment());
        let waits = self.waits.lock();
        waits.sleepers.first().is_some_and(|(at, _)| *at <= now)
            || waits.work.values().any(|begun| moment.since(*begun) < PATIENCE)
    }

    /// The next time that somebody waits for.
    fn next_due(&self) -> Option<Timestamp> {
        let later = (self.now() + Duration::from_millis(1), 0)..;
        self.waits.lock().sleepers.range(later).next().map(|(at, _)| *at)
    }
}

/// Somebody who waits; their entry goes with them.
struct Sleeper<'a> {
    clock: &'a Moved,
    entry: (Timestamp, u64),
}

impl<'a> Sleeper<'a> {
    fn lie_down(clock: &'a Moved, at: Timestamp) -> Self {
        let mut waits = clock.waits.lock();
        let entry = (at, waits.next_id());
        waits.sleepers.insert(entry);
        Self { clock, entry }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.waits.lock().sleepers.remove(&self.entry);
    }
}

/// Work that a time has set going: until this is dropped, a [`ClockHand`] waits before it moves on.
#[derive(Debug)]
#[must_use = "the hand waits while it is held"]
pub struct Working {
    at: Option<(Arc<Moved>, u64)>,
}

impl Working {
    /// On a clock that is not moved nobody waits.
    pub(crate) fn unwatched() -> Self {
        Self { at: None }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some((clock, id)) = self.at.take() {
            clock.waits.lock().work.remove(&id);
        }
    }
}

/// Moves a clock: see [`Clock::movable`].
#[derive(Clone, Debug)]
pub struct ClockHand {
    pub(crate) moved: Arc<Moved>,
}

impl ClockHand {
    /// How far the clock is ahead of the machine's.
    pub fn offset(&self) -> Duration {
        self.moved.offset()
    }

    /// Takes up where an earlier process left the clock: by its moves, the oldest first. To be
    /// called at a start, before anything waits.
    pub fn resume(&self, moves: impl IntoIterator<Item = Move>) {
        self.moved.change(|history| history.extend(moves));
    }

    /// Brings the clock back to the machine's time, at once. Whoever waits looks again.
    pub fn put_back(&self) {
        self.moved.change(|history| *history = History::default());
    }

    /// Moves on until the clock is so far ahead, or to the next time that somebody waits for;
    /// answers the move, if it is one. What is due then is waited for by [`ClockHand::settled`]; both
    /// are to be called until the clock is all the way, so that nothing is passed over that is due.
    pub fn step(&self, goal: Duration) -> Option<Move> {
        let now = self.moved.machine.now();
        let due = self.moved.next_due().map(|at| at.since(now));
        let offset = due.map_or(goal, |due| due.min(goal));
        (offset > self.offset()).then(|| self.moved.change(|history| history.add(now, offset)))
    }

    /// Goes all the way, step by step, where no move is to be kept.
    pub async fn go(&self, goal: Duration) {
        self.settled().await;
        while self.offset() < goal {
            let _ = self.step(goal);
            self.settled().await;
        }
    }

    /// Waits until all that is due has been done, but for what takes long: to be asked before the
    /// first step as well, so that nothing is passed over by who has yet to begin.
    pub async fn settled(&self) {
        let begun = self.moved.machine.moment();
        let mut quiet_count = 0;
        while quiet_count < 2 && self.moved.machine.moment().since(begun) < STAY_MAX {
            self.moved.machine.sleep(QUIET / 2).await; // whoever was woken begins
            quiet_count = if self.moved.is_busy() { 0 } else { quiet_count + 1 };
        }
    }
}
