//! Those who wait for one flush of the disk, and how they are told of it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use parking_lot::Mutex;

use crate::LedgerError;

type Outcome = Result<(), LedgerError>;

/// How many the flushing thread wakes itself. Each costs it a call of the operating system where
/// the woken sleep on another thread; the others are woken by those, among whom they wait anyhow.
/// More than one, so that one that is long in coming holds up nobody.
const LEADERS: usize = 2;

#[derive(Default)]
struct Group {
    outcome: OnceLock<Outcome>,
    /// The first of those for whom the disk had no room, whatever comes of the others.
    refused_from: OnceLock<usize>,
    wakers: Mutex<Vec<Option<Waker>>>,
    /// The outcome is known, and there are some that nobody woke.
    unwoken: AtomicBool,
}

/// The side that tells; dropped without a word it tells that the ledger is closed.
#[derive(Default)]
pub(crate) struct Told {
    group: Arc<Group>,
    count: usize,
}

/// The side of one who waits.
pub(crate) struct Waits {
    group: Arc<Group>,
    seat: usize,
}

impl Told {
    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// One more that waits.
    pub(crate) fn join(&mut self) -> Waits {
        let seat = self.count;
        self.count += 1;
        Waits { group: Arc::clone(&self.group), seat }
    }

    /// Nobody joins any more, and who did as number `seat` or later is to be told that the disk is
    /// full.
    pub(crate) fn refuse_from(&self, seat: usize) {
        _ = self.group.refused_from.set(seat);
    }

    /// Tells all of them.
    pub(crate) fn tell(self, outcome: Outcome) {
        self.group.settle(outcome);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.group.settle(Err(LedgerError::Closed)); // the first word holds
    }
}

impl Group {
    fn settle(&self, outcome: Outcome) {
        let mut wakers = self.wakers.lock();
        if self.outcome.get().is_some() {
            return;
        }
        wakers.retain(Option::is_some);
        let count = wakers.len().min(LEADERS);
        let leaders: Vec<Waker> = wakers.drain(..count).flatten().collect();
        // before the outcome, so that whoever sees that wakes the others
        self.unwoken.store(!wakers.is_empty(), Ordering::Release);
        _ = self.outcome.set(outcome);
        drop(wakers);
        leaders.into_iter().for_each(Waker::wake);
    }

    /// What is known, by one who thereby wakes the others.
    fn outcome(&self) -> Option<&Outcome> {
        let outcome = self.outcome.get()?;
        if self.unwoken.swap(false, Ordering::AcqRel) {
            let rest = std::mem::take(&mut *self.wakers.lock());
            rest.into_iter().flatten().for_each(Waker::wake);
        }
        Some(outcome)
    }
}

impl Waits {
    /// What is known already.
    fn now(&self) -> Option<Outcome> {
        let outcome = self.group.outcome()?;
        match self.group.refused_from.get() {
            Some(first) if self.seat >= *first => Some(Err(LedgerError::Full)),
            _ => Some(outcome.clone()),
        }
    }

    /// Waits by blocking the thread.
    pub(crate) fn block(mut self) -> Outcome {
        let waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl Future for Waits {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        if let Some(outcome) = self.now() {
            return Poll::Ready(outcome);
        }
        let mut wakers = self.group.wakers.lock();
        // it is told under this lock: nobody sits down after all were woken
        if self.group.outcome.get().is_some() {
            drop(wakers);
            return Poll::Ready(self.now().unwrap_or(Err(LedgerError::Closed)));
        }
        if wakers.len() <= self.seat {
            wakers.resize(self.seat + 1, None);
        }
        match &mut wakers[self.seat] {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Waits {
    /// One that goes is not among those who would wake the others; if it was already, it does.
    fn drop(&mut self) {
        if self.group.outcome().is_some() {
            return;
        }
        let mut wakers = self.group.wakers.lock();
        if self.group.outcome.get().is_none() {
            wakers.get_mut(self.seat).map(Option::take);
            return;
        }
        drop(wakers);
        self.group.outcome();
    }
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waits")
    }
}

struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn look(waits: &mut Waits, count: &Arc<Count>) -> Poll<Outcome> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(waits).poll(&mut Context::from_waker(&waker))
    }

    /// So many that wait, and how many of them were woken.
    fn crowd(size: usize) -> (Told, Vec<Waits>, Arc<Count>) {
        let (mut told, count) = (Told::default(), Arc::default());
        let mut all: Vec<Waits> = (0..size).map(|_| told.join()).collect();
        assert!(all.iter_mut().all(|waits| look(waits, &count).is_pending()));
        (told, all, count)
    }

    #[test]
    fn the_first_that_looks_wakes_the_rest_and_all_are_told() {
        let (told, mut all, count) = crowd(10);
        told.tell(Ok(()));
        assert_eq!(count.0.load(Ordering::Relaxed), LEADERS);
        assert!(matches!(look(&mut all[1], &count), Poll::Ready(Ok(()))));
        assert_eq!(count.0.load(Ordering::Relaxed), 10);
        assert!(all.iter_mut().all(|waits| look(waits, &count).is_ready()));
    }

    #[test]
    fn one_that_goes_keeps_nobody_asleep() {
        let (told, mut all, count) = crowd(10);
        drop(all.remove(0)); // before the word: it is not among the woken
        told.tell(Ok(()));
        assert_eq!(count.0.load(Ordering::Relaxed), LEADERS);
        drop(all.remove(0)); // woken, and gone without a look
        assert_eq!(count.0.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn those_that_are_refused_are_told_so_and_a_side_that_goes_tells_that_it_closed() {
        let (told, mut all, count) = crowd(3);
        told.refuse_from(1);
        told.tell(Ok(()));
        let mut full = all.split_off(1);
        assert!(matches!(look(&mut all[0], &count), Poll::Ready(Ok(()))));
        let mut is_full =
            |waits| matches!(look(waits, &count), Poll::Ready(Err(LedgerError::Full)));
        assert!(full.iter_mut().all(&mut is_full));
        let (told, mut all, count) = crowd(1);
        drop(told);
        assert!(matches!(look(&mut all[0], &count), Poll::Ready(Err(LedgerError::Closed))));
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        let mut told = Told::default();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let waits = told.join();
                std::thread::spawn(|| waits.block())
            })
            .collect();
        told.tell(Ok(()));
        assert!(threads.into_iter().all(|thread| thread.join().is_ok_and(|told| told.is_ok())));
    }
}
