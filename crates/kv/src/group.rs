//! Those who wait for one flush of the disk, and how they are told of it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use parking_lot::Mutex;

/// What all who wait are told.
pub trait Word: Clone + Send + Sync + 'static {
    /// What they hear where nobody is left to tell them anything.
    fn unsaid() -> Self;
}

/// How many the flushing thread wakes itself. Each costs it a call of the operating system where
/// the woken sleep on another thread; the others are woken by those, among whom they wait anyhow.
/// More than one, so that one that is long in coming holds up nobody.
const LEADERS: usize = 2;

struct Group<W> {
    word: OnceLock<W>,
    wakers: Mutex<Vec<Option<Waker>>>,
    /// The word is known, and there are some that nobody woke.
    unwoken: AtomicBool,
}

/// The side that tells; dropped without a word it tells that nobody does.
pub struct Told<W: Word> {
    group: Arc<Group<W>>,
    count: usize,
}

/// The side of one who waits: a future of the word.
pub struct Waits<W: Word> {
    group: Arc<Group<W>>,
    seat: usize,
}

impl<W: Word> Default for Told<W> {
    fn default() -> Self {
        let (word, wakers, unwoken) = Default::default();
        Self { group: Arc::new(Group { word, wakers, unwoken }), count: 0 }
    }
}

impl<W: Word> Told<W> {
    /// How many wait.
    pub fn count(&self) -> usize {
        self.count
    }

    /// One more that waits.
    pub fn join(&mut self) -> Waits<W> {
        let seat = self.count;
        self.count += 1;
        Waits { group: Arc::clone(&self.group), seat }
    }

    /// Tells all of them; what is answered wakes those of whom nobody else did.
    pub fn tell(self, word: W) -> Rest<W> {
        self.group.settle(word);
        Rest(Arc::clone(&self.group))
    }
}

/// Those whom others among them are to wake.
#[must_use = "those of whom nobody looks are not woken by themselves"]
pub struct Rest<W: Word>(Arc<Group<W>>);

impl<W: Word> Rest<W> {
    /// True once somebody woke them.
    pub fn is_awake(&self) -> bool {
        !self.0.unwoken.load(Ordering::Acquire)
    }

    /// Wakes them, if nobody did.
    pub fn wake(&self) {
        self.0.word();
    }
}

impl<W: Word> Drop for Told<W> {
    fn drop(&mut self) {
        self.group.settle(W::unsaid()); // the first word holds
    }
}

impl<W: Word> Group<W> {
    fn settle(&self, word: W) {
        let mut wakers = self.wakers.lock();
        if self.word.get().is_some() {
            return;
        }
        wakers.retain(Option::is_some);
        let count = wakers.len().min(LEADERS);
        let leaders: Vec<Waker> = wakers.drain(..count).flatten().collect();
        // before the word, so that whoever hears it wakes the others
        self.unwoken.store(!wakers.is_empty(), Ordering::Release);
        _ = self.word.set(word);
        drop(wakers);
        leaders.into_iter().for_each(Waker::wake);
    }

    /// What is known, by one who thereby wakes the others.
    fn word(&self) -> Option<&W> {
        let word = self.word.get()?;
        if self.unwoken.swap(false, Ordering::AcqRel) {
            let rest = std::mem::take(&mut *self.wakers.lock());
            rest.into_iter().flatten().for_each(Waker::wake);
        }
        Some(word)
    }
}

impl<W: Word> Waits<W> {
    /// How many had joined before.
    pub fn seat(&self) -> usize {
        self.seat
    }

    /// Waits by blocking the thread.
    pub fn block(mut self) -> W {
        let waker = Waker::from(Arc::new(Sleeper(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(word) => return word,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl<W: Word> Future for Waits<W> {
    type Output = W;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W> {
        if let Some(word) = self.group.word() {
            return Poll::Ready(word.clone());
        }
        let mut wakers = self.group.wakers.lock();
        // it is told under this lock: nobody sits down after all were woken
        if self.group.word.get().is_some() {
            drop(wakers);
            return Poll::Ready(self.group.word().cloned().unwrap_or_else(W::unsaid));
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

impl<W: Word> Drop for Waits<W> {
    /// One that goes is not among those who would wake the others; if it was already, it does.
    fn drop(&mut self) {
        if self.group.word().is_some() {
            return;
        }
        let mut wakers = self.group.wakers.lock();
        if self.group.word.get().is_none() {
            wakers.get_mut(self.seat).map(Option::take);
            return;
        }
        drop(wakers);
        self.group.word();
    }
}

impl<W: Word> std::fmt::Debug for Waits<W> {
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

    /// True unless nobody told.
    impl Word for bool {
        fn unsaid() -> Self {
            false
        }
    }

    fn look(waits: &mut Waits<bool>, count: &Arc<Count>) -> Poll<bool> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(waits).poll(&mut Context::from_waker(&waker))
    }

    /// So many that wait, and how many of them were woken.
    fn crowd(size: usize) -> (Told<bool>, Vec<Waits<bool>>, Arc<Count>) {
        let (mut told, count) = (Told::default(), Arc::default());
        let mut all: Vec<Waits<bool>> = (0..size).map(|_| told.join()).collect();
        assert!(all.iter_mut().all(|waits| look(waits, &count).is_pending()));
        (told, all, count)
    }

    #[test]
    fn the_first_that_looks_wakes_the_rest_and_all_are_told() {
        let (told, mut all, count) = crowd(10);
        drop(told.tell(true));
        assert_eq!(count.0.load(Ordering::Relaxed), LEADERS);
        assert!(matches!(look(&mut all[1], &count), Poll::Ready(true)));
        assert_eq!(count.0.load(Ordering::Relaxed), 10);
        assert!(all.iter_mut().all(|waits| look(waits, &count).is_ready()));
    }

    #[test]
    fn one_that_goes_keeps_nobody_asleep() {
        let (told, mut all, count) = crowd(10);
        drop(all.remove(0)); // before the word: it is not among the woken
        drop(told.tell(true));
        assert_eq!(count.0.load(Ordering::Relaxed), LEADERS);
        drop(all.remove(0)); // woken, and gone without a look
        assert_eq!(count.0.load(Ordering::Relaxed), 9);
    }

    #[test]
    fn those_whom_nobody_wakes_can_be_woken_after_all() {
        let (told, all, count) = crowd(10);
        let rest = told.tell(true);
        assert!(!rest.is_awake());
        rest.wake();
        assert!(rest.is_awake());
        assert_eq!(count.0.load(Ordering::Relaxed), all.len());
    }

    #[test]
    fn a_side_that_goes_without_a_word_tells_that() {
        let (told, mut all, count) = crowd(1);
        drop(told);
        assert!(matches!(look(&mut all[0], &count), Poll::Ready(false)));
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
        drop(told.tell(true));
        assert!(threads.into_iter().all(|thread| thread.join().unwrap_or_default()));
    }
}
