//! The door to time.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use haar_types::Timestamp;
use tokio::time::Instant;

use crate::moved::{ClockHand, Moved, Stop, Working};

/// Tells the time and waits. Cheap to clone; all clones agree.
///
/// Instants ([`Timestamp`]) are the cloud's time, which a [`ClockHand`] may move ahead; durations
/// and [`Moment`]s are always real. What real processes see, and what clients sign by, is the
/// time of [`Clock::machine`].
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Follows tokio's clock, which a test may have paused.
    Tokio {
        started: Instant,
        epoch: Timestamp,
    },
    /// Ahead of another clock.
    Moved(Arc<Moved>),
}

/// A point on the monotonic clock, for measuring durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// Time since `earlier`; zero when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// A wait ended before the work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that starts at `epoch` and follows tokio's, for paused runtimes.
    pub fn simulated(epoch: Timestamp) -> Self {
        Self { source: Source::Tokio { started: Instant::now(), epoch } }
    }

    /// This clock with a hand that moves it ahead.
    pub fn movable(self) -> (Self, ClockHand) {
        let moved = Arc::new(Moved::new(self));
        (Self { source: Source::Moved(Arc::clone(&moved)) }, ClockHand { moved })
    }

    /// The clock that real processes and clients live by: this one, unmoved.
    pub fn machine(&self) -> Self {
        match &self.source {
            Source::Moved(moved) => moved.machine.clone(),
            Source::System | Source::Tokio { .. } => self.clone(),
        }
    }

    /// An instant of the machine's, as a real process reports it, in this clock's time.
    pub fn of_machine(&self, at: Timestamp) -> Timestamp {
        match &self.source {
            Source::Moved(moved) => at + moved.offset(),
            Source::System | Source::Tokio { .. } => at,
        }
    }

    /// The wall time.
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                Timestamp(0) + since.unwrap_or_default()
            }
            Source::Tokio { started, epoch } => *epoch + started.elapsed(),
            Source::Moved(moved) => moved.now(),
        }
    }

    /// The monotonic time.
    pub fn moment(&self) -> Moment {
        Moment(Instant::now())
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until a moment.
    pub async fn sleep_until(&self, moment: Moment) {
        tokio::time::sleep_until(moment.0).await;
    }

    /// Waits until a wall time; at once when it has passed. A hand that moves the clock stops
    /// there, and waits for what follows from it ([`Clock::working`]).
    pub async fn sleep_until_time(&self, at: Timestamp) {
        self.sleep_to(at, Stop::There).await;
    }

    /// Waits until a wall time, for rounds of housekeeping: a hand that moves the clock does not
    /// stop there, it ends the wait in passing.
    pub async fn sleep_until_past(&self, at: Timestamp) {
        self.sleep_to(at, Stop::Past).await;
    }

    async fn sleep_to(&self, at: Timestamp, stop: Stop) {
        match &self.source {
            Source::Moved(moved) => moved.sleep_until(at, stop).await,
            Source::System | Source::Tokio { .. } => {
                tokio::time::sleep(at.since(self.now())).await;
            }
        }
    }

    /// Runs `work` until a wall time at most, as [`Clock::sleep_until_time`] waits for it.
    pub async fn timeout_at<F: Future>(
        &self,
        at: Timestamp,
        work: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = work => Ok(output),
            () = self.sleep_until_time(at) => Err(Elapsed),
        }
    }

    /// Begins work that a time has set going: a hand that moves the clock waits for its end.
    pub fn working(&self) -> Working {
        match &self.source {
            Source::Moved(moved) => moved.begin_work(),
            Source::System | Source::Tokio { .. } => Working::unwatched(),
        }
    }

    /// Runs `work` for at most `limit`.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(limit, work).await.map_err(|_| Elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn simulated_hours_pass_at_once_and_are_counted() {
        let clock = Clock::simulated(Timestamp(1_000));
        clock.sleep(3 * HOUR).await;
        assert_eq!(clock.now(), Timestamp(1_000) + 3 * HOUR);
    }

    /// Goes all the way.
    async fn walk(hand: &ClockHand, goal: Duration) {
        hand.settled().await;
        while !hand.step(goal).await {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_moved_clock_is_ahead_of_the_machine_and_real_waits_stay_real() {
        let (clock, hand) = Clock::simulated(Timestamp(1_000)).movable();
        let begun = clock.moment();
        walk(&hand, 5 * HOUR).await;

        assert_eq!(hand.offset(), 5 * HOUR);
        assert!(clock.machine().now() < Timestamp(2_000), "{:?}", clock.machine().now());
        assert!(clock.moment().since(begun) < Duration::from_secs(1));
        assert_eq!(clock.now(), clock.of_machine(clock.machine().now()));
        assert_eq!(clock.timeout(HOUR, clock.sleep(2 * HOUR)).await, Err(Elapsed));
        assert!(clock.machine().now() >= Timestamp(1_000) + HOUR);

        hand.set(Duration::ZERO);
        assert_eq!(clock.now(), clock.machine().now());
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods)] // the test's own loops
    async fn a_hand_stops_at_each_time_that_somebody_waits_for_and_waits_for_their_work() {
        let (clock, hand) = Clock::simulated(Timestamp(0)).movable();
        let minute = Duration::from_secs(60);
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let minutely = clock.clone();
        tokio::spawn(async move {
            let mut due = Timestamp(0) + minute;
            loop {
                minutely.sleep_until_time(due).await;
                let _working = minutely.working();
                minutely.sleep(Duration::from_millis(300)).await; // a function at work
                let _ = told.send((due, minutely.now()));
                due = due + minute;
            }
        });
        walk(&hand, HOUR).await;

        let mut rounds = Vec::new();
        while let Ok(round) = heard.try_recv() {
            rounds.push(round);
        }
        assert_eq!(rounds.len(), 60);
        for (due, done) in rounds {
            assert!(done.since(due) < Duration::from_secs(1), "{due:?} was done at {done:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods)] // the test's own loops
    async fn a_hand_passes_rounds_and_work_that_does_not_end() {
        let (clock, hand) = Clock::simulated(Timestamp(0)).movable();
        let begun = clock.moment();
        let stuck = clock.working();
        let (resting, shorter) = (clock.clone(), clock.clone());
        let round =
            tokio::spawn(async move { resting.sleep_until_past(Timestamp(0) + HOUR).await });
        let waited = tokio::spawn(async move {
            shorter.timeout_at(Timestamp(0) + 2 * HOUR, std::future::pending::<()>()).await
        });
        walk(&hand, 3 * HOUR).await;

        round.await.unwrap();
        assert_eq!(waited.await.unwrap(), Err(Elapsed));
        assert!(clock.moment().since(begun) < Duration::from_secs(30));
        drop(stuck);
    }
}
