//! The door to time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
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

    /// An instant of the machine's, as a real process reports it, in this clock's time: what this
    /// clock showed then.
    pub fn of_machine(&self, at: Timestamp) -> Timestamp {
        match &self.source {
            Source::Moved(moved) => moved.of_machine(at),
            Source::System | Source::Tokio { .. } => at,
        }
    }

    /// An instant of this clock's in the machine's time, to tell how long something real took; one
    /// that was passed over is when the hand moved.
    pub fn to_machine(&self, at: Timestamp) -> Timestamp {
        match &self.source {
            Source::Moved(moved) => moved.to_machine(at),
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

    /// Waits until a wall time; at once when it has passed, and early where the clock is put back
    /// ([`ClockHand::put_back`]). A hand that moves the clock stops there, and waits for what
    /// follows from it ([`Clock::working`]).
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

    /// Rests as `wait` says, in a loop that is at work between two rests: no moment is left
    /// in between at which the loop neither waits for its time nor works. Answers the work that
    /// begins with what was waited for, to be given to the next rest.
    pub async fn rest<F: Future>(&self, working: Working, wait: F) -> (F::Output, Working) {
        let (mut wait, mut working) = (pin!(wait), Some(working));
        poll_fn(|cx| {
            // also while it looks whether its rest is over: that may end a wait for a time
            let at_work = working.take().unwrap_or_else(|| self.working());
            match wait.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready((output, at_work)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
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

    #[tokio::test(start_paused = true)]
    async fn a_moved_clock_is_ahead_of_the_machine_and_real_waits_stay_real() {
        let (clock, hand) = Clock::simulated(Timestamp(1_000)).movable();
        let begun = clock.moment();
        hand.go(5 * HOUR).await;

        assert_eq!(hand.offset(), 5 * HOUR);
        assert!(clock.machine().now() < Timestamp(2_000), "{:?}", clock.machine().now());
        assert!(clock.moment().since(begun) < Duration::from_secs(1));
        assert_eq!(clock.now(), clock.of_machine(clock.machine().now()));
        assert_eq!(clock.timeout(HOUR, clock.sleep(2 * HOUR)).await, Err(Elapsed));
        assert!(clock.machine().now() >= Timestamp(1_000) + HOUR);

        hand.put_back();
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
        hand.go(HOUR).await;

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
        hand.go(3 * HOUR).await;

        round.await.unwrap();
        assert_eq!(waited.await.unwrap(), Err(Elapsed));
        assert!(clock.moment().since(begun) < Duration::from_secs(30));
        drop(stuck);
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods)] // the test's own loops
    async fn whoever_waits_looks_again_when_the_clock_is_put_back() {
        let (clock, hand) = Clock::simulated(Timestamp(0)).movable();
        hand.go(24 * HOUR).await;
        let (there, past) = (clock.clone(), clock.clone());
        let late = Timestamp(0) + 25 * HOUR;
        let there = tokio::spawn(async move { there.sleep_until_time(late).await });
        let past = tokio::spawn(async move { past.sleep_until_past(late).await });
        clock.sleep(Duration::from_secs(1)).await;
        assert!(!there.is_finished() && !past.is_finished());

        hand.put_back();
        there.await.unwrap();
        past.await.unwrap();
        assert!(clock.now() < Timestamp(0) + HOUR, "{:?}", clock.now());
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods)] // the test's own loops
    async fn a_loop_that_rests_is_passed_over_neither_resting_nor_between_two_rests() {
        let (clock, hand) = Clock::simulated(Timestamp(0)).movable();
        let (told, mut changes) = tokio::sync::mpsc::unbounded_channel::<()>();
        let looper = clock.clone();
        let done = tokio::spawn(async move {
            let due = Timestamp(0) + HOUR;
            let mut working = looper.working();
            loop {
                let either = looper.timeout_at(due, changes.recv());
                let (rested, at_work) = looper.rest(working, either).await;
                working = at_work;
                if rested.is_err() {
                    return looper.now().since(due);
                }
                looper.sleep(Duration::from_millis(100)).await; // it takes the change in
            }
        });
        clock.sleep(Duration::from_millis(5)).await;
        told.send(()).unwrap();
        hand.go(2 * HOUR).await;
        let late = done.await.unwrap();
        assert!(late < Duration::from_secs(1), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn instants_are_what_the_clock_showed_then_however_far_it_has_gone_since() {
        let (clock, hand) = Clock::simulated(Timestamp(1_000)).movable();
        let (before, minute) = (clock.now(), Duration::from_secs(60));
        clock.sleep(minute).await;
        let moved = [HOUR, 2 * HOUR].map(|goal| hand.step(goal).expect("nobody waits"));
        clock.sleep(minute).await;
        let (machine, now) = (clock.machine().now(), clock.now());
        assert_eq!((machine, now), (Timestamp(121_000), Timestamp(121_000) + 2 * HOUR));

        assert_eq!((clock.of_machine(before), clock.of_machine(machine)), (before, now));
        assert_eq!((clock.to_machine(before), clock.to_machine(now)), (before, machine));
        let passed_over = Timestamp(61_000) + HOUR / 2;
        assert_eq!(clock.to_machine(passed_over), Timestamp(61_000));

        let (later, again) = Clock::simulated(machine).movable();
        again.resume(moved);
        assert_eq!((later.now(), later.of_machine(before)), (now, Timestamp(1_000)));
    }
}
