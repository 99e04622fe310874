//! The loops that drive controllers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::FutureExt as _;
use haar_clock::Moment;
use haar_ledger::{ChangeFeed, ChangeSet};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::inbox::{Changed, Inbox};
use crate::queue::{Failure, Queue};
use crate::seats::{Seat, Seats};
use crate::stats::Gauges;
use crate::{ActCx, ActError, Controller, ControllerStats, TimeOf};

/// How often every key is looked at even though nothing changed.
const RESYNC: Duration = Duration::from_secs(600);

type Start = Box<dyn FnOnce(&ActCx, &TaskTracker, CancellationToken) + Send>;

/// Tells one controller of a commit.
type Tell = Box<dyn Fn(&ChangeSet) + Send>;

/// Collects controllers, then runs them.
pub struct Driver {
    cx: ActCx,
    starts: Vec<Start>,
    tells: Vec<Tell>,
    gauges: Vec<(&'static str, Arc<Gauges>)>,
}

/// A running driver.
#[derive(Clone)]
pub struct DriverHandle {
    tasks: TaskTracker,
    stopping: CancellationToken,
    gauges: Arc<Vec<(&'static str, Arc<Gauges>)>>,
}

impl Driver {
    /// A driver without controllers.
    pub fn new(cx: ActCx) -> Self {
        Self { cx, starts: Vec::new(), tells: Vec::new(), gauges: Vec::new() }
    }

    /// Adds a controller.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // nobody adds drivers up
    pub fn add<C: Controller>(mut self, controller: Arc<C>) -> Self {
        let gauges = Arc::new(Gauges::default());
        self.gauges.push((C::NAME, Arc::clone(&gauges)));
        let inbox = Arc::new(Inbox::new());
        let (told, asked) = (Arc::clone(&inbox), Arc::clone(&controller));
        self.tells.push(Box::new(move |changes| told.tell(&*asked, changes)));
        self.starts.push(Box::new(move |cx, tasks, stopping| {
            let (ended, endings) = mpsc::unbounded_channel();
            let driven = Driven {
                controller,
                inbox,
                cx: C::TIME.context(cx),
                queue: Queue::new(),
                seats: Seats::new(C::CONCURRENCY),
                ended,
                endings,
                tasks: tasks.clone(),
                gauges,
            };
            tasks.spawn(driven.run(stopping));
        }));
        self
    }

    /// Starts all loops on the current runtime; each first looks at every key.
    pub fn run(self) -> DriverHandle {
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(tell_all(self.cx.ledger.changes(), self.tells, stopping.clone()));
        for start in self.starts {
            start(&self.cx, &tasks, stopping.clone());
        }
        DriverHandle { tasks, stopping, gauges: Arc::new(self.gauges) }
    }
}

impl DriverHandle {
    /// Ends the loops, and waits for the acts under way.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Each controller's figures.
    pub fn stats(&self) -> Vec<ControllerStats> {
        self.gauges.iter().map(|(name, gauges)| gauges.read(name)).collect()
    }
}

/// Tells all controllers of all commits.
async fn tell_all(mut feed: ChangeFeed, tells: Vec<Tell>, stopping: CancellationToken) {
    loop {
        let changes = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            changes = feed.next() => changes,
        };
        let Some(changes) = changes else { return };
        tells.iter().for_each(|tell| tell(&changes));
    }
}

/// How a round of acts ended.
enum Ending {
    Done,
    Failed(ActError),
    Panicked,
}

/// What a loop waited for.
enum Came<K> {
    Stop,
    Ending(K, Ending),
    Changed(Changed<K>),
    /// A key may be due, or there may be room for one more.
    Time,
}

struct Driven<C: Controller> {
    controller: Arc<C>,
    inbox: Arc<Inbox<C::Key>>,
    cx: ActCx,
    queue: Queue<C::Key>,
    seats: Seats,
    ended: mpsc::UnboundedSender<(C::Key, Ending)>,
    endings: mpsc::UnboundedReceiver<(C::Key, Ending)>,
    tasks: TaskTracker,
    gauges: Arc<Gauges>,
}

impl<C: Controller> Driven<C> {
    async fn run(mut self, stopping: CancellationToken) {
        let inbox = Arc::clone(&self.inbox);
        self.resync();
        let (mut resync_at, clock) = (self.next_resync(), self.cx.clock.clone());
        let mut working = clock.working();
        loop {
            // Here and not when a timer rings: a stream of changes must not keep timers waiting.
            self.queue.advance(clock.now(), clock.moment());
            if clock.moment() >= resync_at {
                self.resync();
                resync_at = self.next_resync();
            }
            self.dispatch();
            let (came, at_work) =
                clock.rest(working, self.wait(&inbox, &stopping, resync_at)).await;
            working = at_work;
            match came {
                Came::Stop => return,
                Came::Ending(key, ending) => self.end(&key, ending),
                Came::Changed(changed) => self.notice(changed),
                Came::Time => {}
            }
        }
    }

    async fn wait(
        &mut self,
        inbox: &Inbox<C::Key>,
        stopping: &CancellationToken,
        resync_at: Moment,
    ) -> Came<C::Key> {
        let (timer, clock) = (self.timer(), &self.cx.clock);
        let back_at = self.queue.next_back_off().map_or(resync_at, |at| at.min(resync_at));
        tokio::select! {
            biased;
            () = stopping.cancelled() => Came::Stop,
            Some((key, ending)) = self.endings.recv() => Came::Ending(key, ending),
            changed = inbox.changed() => Came::Changed(changed),
            () = self.seats.left() => Came::Time, // there may be room for one more
            () = timer => Came::Time,
            () = clock.sleep_until(back_at) => Came::Time,
        }
    }

    fn next_resync(&self) -> Moment {
        self.cx.clock.moment().after(RESYNC)
    }

    /// Waits until the next key is due by its time.
    fn timer(&self) -> impl Future<Output = ()> + use<C> {
        let (next, clock) = (self.queue.next_timer(), self.cx.clock.clone());
        async move {
            match next {
                Some(at) if C::TIME == TimeOf::CloudInPassing => clock.sleep_until_past(at).await,
                Some(at) => clock.sleep_until_time(at).await,
                None => std::future::pending().await,
            }
        }
    }

    fn notice(&mut self, changed: Changed<C::Key>) {
        match changed.lost {
            true => self.resync(),
            false => {
                changed.keys.into_iter().for_each(|(key, version)| self.queue.wake(key, version))
            }
        }
    }

    fn resync(&mut self) {
        for key in self.controller.all(&self.cx.ledger.snapshot()) {
            self.queue.resync(key);
        }
    }

    /// Plans the keys that are due, as many as may be acted on at once.
    fn dispatch(&mut self) {
        while let Some(seat) = self.seats.take()
            && let Some(key) = self.queue.take()
        {
            self.look(key, seat);
        }
        let (queued, in_flight, quarantined) = self.queue.counts();
        self.gauges.queued.store(queued, Relaxed);
        self.gauges.in_flight.store(in_flight, Relaxed);
        self.gauges.quarantined.store(quarantined, Relaxed);
    }

    fn look(&mut self, key: C::Key, seat: Seat) {
        let (snapshot, now) = (self.cx.ledger.snapshot(), self.cx.clock.now());
        let plan = catch_unwind(AssertUnwindSafe(|| self.controller.plan(&snapshot, &key, now)));
        let Ok(plan) = plan else {
            tracing::error!(controller = C::NAME, ?key, "a plan panicked; the key is put aside");
            self.queue.quarantine(&key, snapshot.version(), self.cx.clock.moment());
            return;
        };
        if let Some(at) = plan.wake_at {
            self.queue.wake_at(key.clone(), at.max(now + Duration::from_millis(1)));
        }
        if plan.steps.is_empty() {
            self.queue.settled(&key);
            return;
        }
        self.queue.started(key.clone());
        let (controller, cx) = (Arc::clone(&self.controller), self.cx.seated(seat));
        let (ended, working) = (self.ended.clone(), self.cx.clock.working());
        self.tasks.spawn(async move {
            let round = AssertUnwindSafe(act_all(&*controller, plan.steps, &cx)).catch_unwind();
            let ending = match round.await {
                Ok(Ok(())) => Ending::Done,
                Ok(Err(error)) => Ending::Failed(error),
                Err(_) => Ending::Panicked,
            };
            drop(cx); // its seat is free before the loop hears of the end
            let _ = ended.send((key, ending)); // the loop has ended: so has the driver
            drop(working);
        });
    }

    fn end(&mut self, key: &C::Key, ending: Ending) {
        let version = self.cx.ledger.snapshot().version();
        match ending {
            Ending::Done => {
                self.gauges.rounds.fetch_add(1, Relaxed);
                self.queue.succeeded(key);
            }
            Ending::Failed(error) => {
                self.gauges.failures.fetch_add(1, Relaxed);
                let reason = &error.reason;
                tracing::warn!(controller = C::NAME, ?key, %reason, "a step failed");
                let (at, chance) = (self.cx.clock.moment(), self.cx.ids.draw());
                let is_transient = error.is_transient;
                self.queue.failed(key, Failure { at, version, is_transient, chance });
            }
            Ending::Panicked => {
                self.gauges.failures.fetch_add(1, Relaxed);
                tracing::error!(controller = C::NAME, ?key, "an act panicked; put aside");
                self.queue.quarantine(key, version, self.cx.clock.moment());
            }
        }
    }
}

async fn act_all<C: Controller>(
    controller: &C,
    steps: Vec<C::Step>,
    cx: &ActCx,
) -> Result<(), ActError> {
    for step in steps {
        tracing::debug!(controller = C::NAME, ?step, "acting");
        controller.act(step, cx).await?;
    }
    Ok(())
}
