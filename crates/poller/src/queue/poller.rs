//! Polling one queue.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haar_clock::{Clock, Moment};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Queue, QueueSettings};
use crate::rules::batch::Fill;
use crate::rules::report::{self, Report};
use crate::rules::scaling::Scale;
use crate::{Consumer, Delivery, Item, SourceError, Taken};

/// How long a look at an empty queue waits for messages.
const WAIT: Duration = Duration::from_secs(20);
/// Bytes of all batches that are on their way at most, beside one batch of any size.
const BYTES_MAX: usize = 256 << 20;
/// Messages of one look at most.
const RECEIVED_MAX: usize = 10;
/// Waits after a queue did not answer, and after a consumer was not reached.
const REFUSED_WAIT: Duration = Duration::from_secs(5);
const UNREACHED_FIRST: Duration = Duration::from_secs(1);
const UNREACHED_LONGEST: Duration = Duration::from_secs(30);

/// Polls a queue until it is told to stop; then waits for the batches that are on their way.
pub async fn poll_queue(
    queue: Arc<dyn Queue>,
    consumer: Arc<dyn Consumer>,
    settings: QueueSettings,
    clock: Clock,
    stop: CancellationToken,
) {
    let scale = Mutex::new(match settings.pollers {
        Some(pollers) => Scale::provisioned(pollers),
        None => Scale::new(settings.concurrency_max),
    });
    let pending = Mutex::default();
    let bytes = AtomicUsize::new(0);
    let worker = Worker { queue, consumer, settings, clock, stop, scale, pending, bytes };
    let worker = Arc::new(worker);
    let mut batches = JoinSet::new();
    loop {
        while batches.try_join_next().is_some() {}
        if !worker.has_room(&mut batches).await {
            break;
        }
        let gathered = tokio::select! {
            biased;
            () = worker.stop.cancelled() => break,
            gathered = worker.gather() => gathered,
        };
        match gathered {
            Ok(items) if items.is_empty() => {
                if batches.is_empty() {
                    worker.scale.lock().idle();
                }
            }
            Ok(items) => {
                let rest = worker.rest();
                let size = items.iter().chain(&rest).map(|item| item.size).sum::<usize>();
                worker.bytes.fetch_add(size, Ordering::Relaxed);
                let worker = Arc::clone(&worker);
                batches.spawn(async move {
                    worker.work_off_in_turn(items, rest).await;
                    worker.bytes.fetch_sub(size, Ordering::Relaxed);
                });
            }
            Err(error) => {
                worker.consumer.note(&format!("PROBLEM: {error}"));
                worker.pause(REFUSED_WAIT).await;
            }
        }
    }
    while batches.join_next().await.is_some() {}
}

struct Worker {
    queue: Arc<dyn Queue>,
    consumer: Arc<dyn Consumer>,
    settings: QueueSettings,
    clock: Clock,
    stop: CancellationToken,
    scale: Mutex<Scale>,
    /// Messages that were received and fitted into no batch yet.
    pending: Mutex<VecDeque<Item>>,
    /// Of the batches that are on their way.
    bytes: AtomicUsize,
}

impl Worker {
    /// Waits until one more batch may be on its way; false when it is time to stop.
    async fn has_room(&self, batches: &mut JoinSet<()>) -> bool {
        let since = self.clock.moment();
        let mut counted = since;
        while batches.len() >= self.scale.lock().allowed() || self.is_heavy() {
            let beat = counted.after(Duration::from_secs(1));
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return false,
                _ = batches.join_next() => {}
                // While all are busy, more come by and by.
                () = self.clock.sleep_until(beat) => {}
            }
            let now = self.clock.moment();
            self.scale.lock().busy(now.since(counted));
            counted = now;
        }
        !self.stop.is_cancelled()
    }

    fn is_heavy(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= BYTES_MAX
    }

    /// Gathers a batch: what is there, or what comes within the window from the first on. What
    /// a filter drops is deleted.
    async fn gather(&self) -> Result<Vec<Item>, SourceError> {
        let bounds = self.settings.bounds;
        let (mut items, mut fill) = (Vec::new(), Fill::default());
        let mut ends_at: Option<Moment> = None;
        loop {
            let is_overflowing = self.take_pending(&mut items, &mut fill);
            if !items.is_empty() && ends_at.is_none() {
                ends_at = Some(self.clock.moment().after(bounds.window));
            }
            let left = ends_at.map(|end| end.since(self.clock.moment()));
            if is_overflowing || fill.is_full(bounds) || left.is_some_and(|left| left.is_zero()) {
                return Ok(items);
            }
            let most = (bounds.count_max - items.len()).min(RECEIVED_MAX);
            match self.queue.receive(most, left.unwrap_or(WAIT).min(WAIT)).await {
                Ok(received) if received.is_empty() && items.is_empty() => return Ok(items),
                Ok(received) => {
                    let wanted = self.keep(received).await;
                    self.pending.lock().extend(wanted);
                }
                Err(error) if items.is_empty() => return Err(error),
                Err(_) => return Ok(items), // the next look tells
            }
        }
    }

    /// Takes what fits; true where something does not.
    fn take_pending(&self, items: &mut Vec<Item>, fill: &mut Fill) -> bool {
        self.take(&mut self.pending.lock(), items, fill)
    }

    /// What was received and did not fit, where it must not overtake what did.
    fn rest(&self) -> VecDeque<Item> {
        match self.queue.keeps_order() {
            true => std::mem::take(&mut *self.pending.lock()),
            false => VecDeque::new(),
        }
    }

    fn take(&self, pending: &mut VecDeque<Item>, items: &mut Vec<Item>, fill: &mut Fill) -> bool {
        while let Some(item) = pending.pop_front() {
            if !fill.holds(item.size, self.settings.bounds) {
                pending.push_front(item);
                return true;
            }
            fill.add(item.size);
            items.push(item);
        }
        false
    }

    /// Deletes what a filter drops.
    async fn keep(&self, received: Vec<Item>) -> Vec<Item> {
        let count = received.len();
        let (wanted, dropped): (Vec<_>, Vec<_>) =
            received.into_iter().partition(|item| item.is_wanted);
        self.consumer.count(count, dropped.len());
        if !dropped.is_empty()
            && let Err(error) = self.queue.delete(&dropped).await
        {
            tracing::warn!(%error, "filtered messages were not deleted; they come again");
        }
        wanted
    }

    /// Gives a batch to its consumer, then what did not fit into it. Behind what failed no more of
    /// its group follows: it comes again with it, in order; and all that may have become somebody
    /// else's in the meantime does.
    async fn work_off_in_turn(&self, mut items: Vec<Item>, mut rest: VecDeque<Item>) {
        let since = self.clock.moment();
        loop {
            let done = self.work_off(&items, since).await;
            if rest.is_empty() {
                return;
            }
            let done: BTreeSet<&str> = done.iter().map(|item| item.id.as_str()).collect();
            let failed = items.iter().filter(|item| !done.contains(item.id.as_str()));
            let failed: BTreeSet<&str> = failed.map(|item| item.group.as_str()).collect();
            rest.retain(|item| !failed.contains(item.group.as_str()));
            let visible_at = since.after(self.queue.visibility().await);
            if self.stop.is_cancelled() || self.clock.moment() >= visible_at {
                return;
            }
            let (mut next, mut fill) = (Vec::new(), Fill::default());
            self.take(&mut rest, &mut next, &mut fill);
            if next.is_empty() {
                return;
            }
            items = next;
        }
    }

    /// Gives a batch to its consumer and deletes what that is done with; answers what is deleted.
    async fn work_off<'a>(&self, items: &'a [Item], since: Moment) -> Cow<'a, [Item]> {
        let (_working, mut failed_count) = (self.clock.working(), 0);
        let taken = loop {
            let taken = self.consumer.take(Delivery { items, shard: None, window: None }).await;
            let Taken::Unreached(reason) = &taken else { break taken };
            self.consumer.note(&format!("PROBLEM: {reason}"));
            self.scale.lock().failed();
            let longest = UNREACHED_LONGEST.min(UNREACHED_FIRST * (1 << failed_count.min(5)));
            failed_count += 1;
            // It is tried again while the messages are nobody else's, so that being throttled
            // uses up none of their receives.
            let visible_at = since.after(self.queue.visibility().await);
            let again_at = self.clock.moment().after(self.wait(longest));
            if again_at >= visible_at || self.stop.is_cancelled() {
                break taken;
            }
            self.pause(longest).await;
        };
        let done = self.done(items, &taken);
        match taken {
            Taken::Answered(..) if done.len() == items.len() => {
                self.scale.lock().succeeded();
                self.consumer.note("OK");
            }
            Taken::Answered(..) => self.consumer.note("PROBLEM: Function call failed"),
            Taken::Failed(_) => {
                self.scale.lock().failed();
                self.consumer.note("PROBLEM: Function call failed");
            }
            Taken::Unreached(_) | Taken::Cut => {}
        }
        if !done.is_empty()
            && let Err(error) = self.queue.delete(&done).await
        {
            tracing::warn!(%error, "messages were not deleted; they come again");
            return Cow::Borrowed(&[]);
        }
        done
    }

    /// What a consumer is done with.
    fn done<'a>(&self, items: &'a [Item], taken: &Taken) -> Cow<'a, [Item]> {
        let Taken::Answered(answer, _) = taken else { return Cow::Borrowed(&[]) };
        if !self.settings.reports {
            return Cow::Borrowed(items);
        }
        let known = |id: &str| items.iter().any(|item| item.id == id);
        match report::read(answer, known) {
            Report::Done => Cow::Borrowed(items),
            Report::Malformed => Cow::Borrowed(&[]),
            Report::Failed(failed) => {
                items.iter().filter(|item| !failed.contains(&item.id)).cloned().collect()
            }
        }
    }

    fn wait(&self, documented: Duration) -> Duration {
        documented / self.settings.wait_divisor.max(1)
    }

    async fn pause(&self, documented: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.clock.sleep(self.wait(documented)) => {}
        }
    }
}
