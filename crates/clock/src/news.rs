//! What a loop that rests is told.

use std::future::Future;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Clock, Working};

/// Tells a loop, while it rests, that there is something new. From then until the loop has looked
/// at it somebody is at work: no instant passes in between on a clock that is moved.
#[derive(Debug, Default)]
pub struct News {
    changed: Notify,
    held: Mutex<Option<Working>>,
}

impl News {
    /// There is something new.
    pub fn tell(&self, clock: &Clock) {
        self.held.lock().get_or_insert_with(|| clock.working());
        self.changed.notify_one();
    }

    /// What was told, to be held until the loop has looked.
    #[must_use = "it is held until the loop has looked"]
    pub fn take(&self) -> Option<Working> {
        self.held.lock().take()
    }

    /// Rests until `due`, or until there is something new, no longer than `longest`. Answers the
    /// work that begins then, as [`Clock::rest`] does.
    pub async fn rest(
        &self,
        clock: &Clock,
        working: Working,
        due: impl Future<Output = ()>,
        longest: Duration,
    ) -> Working {
        let either = async {
            tokio::select! {
                biased; // chance comes in through IdSource
                () = self.changed.notified() => {}
                () = due => {}
            }
        };
        clock.rest(working, clock.timeout(longest, either)).await.1
    }
}

#[cfg(test)]
mod tests {
    use haar_types::Timestamp;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_rest_ends_with_news_with_its_time_or_with_the_longest() {
        let clock = Clock::simulated(Timestamp(0));
        let news = News::default();
        let begun = clock.now();
        let _ = news.rest(&clock, clock.working(), clock.sleep(HOUR), 2 * HOUR).await;
        assert_eq!(clock.now(), begun + HOUR);
        let _ = news.rest(&clock, clock.working(), std::future::pending(), 2 * HOUR).await;
        assert_eq!(clock.now(), begun + 3 * HOUR);
        news.tell(&clock);
        news.tell(&clock);
        assert!(news.take().is_some() && news.take().is_none());
        let _ = news.rest(&clock, clock.working(), std::future::pending(), HOUR).await;
        assert_eq!(clock.now(), begun + 3 * HOUR, "it was told before it rested");
    }
}
