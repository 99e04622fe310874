//! Futures that do not wake other threads for what is their own.
//!
//! hyper hands a request's body from one half of a connection to the other by waking the future
//! that holds both, which is the one that runs. tokio takes a future that is woken while it runs
//! for more work than one thread has, and wakes another thread: a call into the system and a
//! switch for each request that has a body.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often a future is polled at once before others have their turn.
const ROUNDS_MAX: usize = 4;

/// Polls one future, and at once again where it was woken while it ran.
pub(crate) struct Calm {
    bell: Arc<Bell>,
    waker: Waker,
}

/// Hears what wakes the future.
#[derive(Default)]
struct Bell {
    /// The future runs: its task need not be told.
    runs: AtomicBool,
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        if !self.runs.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

impl Calm {
    pub(crate) fn new() -> Self {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        Self { bell, waker }
    }

    /// Polls the future; always the same one.
    pub(crate) fn poll<F: Future>(
        &self,
        context: &Context<'_>,
        mut future: Pin<&mut F>,
    ) -> Poll<F::Output> {
        let Self { bell, waker } = self;
        bell.task.register(context.waker());
        for _ in 0..ROUNDS_MAX {
            bell.runs.store(true, Ordering::SeqCst);
            bell.rung.store(false, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(waker));
            bell.runs.store(false, Ordering::SeqCst);
            if polled.is_ready() || !bell.rung.load(Ordering::SeqCst) {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often its task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once a future that wakes itself so often, and answers how often its task was woken.
    fn woken(times: usize) -> (Poll<usize>, usize) {
        let (task, calm, mut polls) = (Arc::new(Task::default()), Calm::new(), 0);
        let waker = Waker::from(Arc::clone(&task));
        let mut future = std::pin::pin!(poll_fn(|context| {
            polls += 1;
            if polls <= times {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if times == 0 { Poll::Pending } else { Poll::Ready(polls) }
        }));
        let polled = calm.poll(&Context::from_waker(&waker), future.as_mut());
        if times == 0 {
            calm.waker.wake_by_ref();
        }
        (polled, task.0.load(Ordering::SeqCst))
    }

    #[test]
    fn what_wakes_itself_goes_on_at_once_and_what_is_woken_later_wakes_its_task() {
        assert_eq!(woken(1), (Poll::Ready(2), 0));
        assert_eq!(woken(0), (Poll::Pending, 1));
    }

    #[test]
    fn what_never_rests_lets_others_have_their_turn() {
        assert_eq!(woken(usize::MAX), (Poll::Pending, 1));
    }
}
