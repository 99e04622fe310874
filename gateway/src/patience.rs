//! A timer for deadlines that hardly ever pass.
//!
//! hyper sets a deadline for the head of each request and takes it back once that is there. With
//! tokio's own timer each goes into the list that all connections share and out of it again. Here
//! a connection keeps one alarm: a deadline that comes after it waits until it rings, which is
//! every half a minute or so, and sets it anew.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;

/// The timer of one connection, which waits for one deadline at a time.
#[derive(Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Option<Alarm>>>);

/// What really rings.
struct Alarm {
    at: Instant,
    sleep: Pin<Box<dyn Sleep>>,
}

/// Who waits for a deadline.
struct Wait {
    deadline: Instant,
    of: Patience,
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { deadline, of: self.clone() })
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

impl Alarm {
    fn new(at: Instant) -> Self {
        Self { at, sleep: TokioTimer::new().sleep_until(at) }
    }

    fn set(&mut self, at: Instant) {
        TokioTimer::new().reset(&mut self.sleep, at);
        self.at = at;
    }
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut alarm = self.of.0.lock();
        let alarm = alarm.get_or_insert_with(|| Alarm::new(self.deadline));
        if alarm.at > self.deadline {
            alarm.set(self.deadline);
        }
        loop {
            ready!(alarm.sleep.as_mut().poll(context));
            if alarm.at >= self.deadline {
                return Poll::Ready(());
            }
            alarm.set(self.deadline);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // tokio's own time, which stands still here
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn look(sleep: &mut Pin<Box<dyn Sleep>>) -> Poll<()> {
        poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context))).await
    }

    #[tokio::test(start_paused = true)]
    async fn each_deadline_is_kept_whatever_became_of_those_before() {
        let (timer, begun) = (Patience::default(), tokio::time::Instant::now());
        for _ in 0..5 {
            let mut sleep = timer.sleep(30 * SECOND);
            assert_eq!(look(&mut sleep).await, Poll::Pending);
            tokio::time::sleep(10 * SECOND).await; // taken back
        }
        timer.sleep(30 * SECOND).await;
        assert_eq!(begun.elapsed().as_secs(), 80);
        timer.sleep(30 * SECOND).await;
        assert_eq!(begun.elapsed().as_secs(), 110);
        let mut late = timer.sleep(30 * SECOND);
        assert_eq!(look(&mut late).await, Poll::Pending);
        timer.sleep(5 * SECOND).await;
        assert_eq!(begun.elapsed().as_secs(), 115, "sooner than the alarm");
    }
}
