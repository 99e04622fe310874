//! Telemetry for extensions: what one environment's platform, function and extensions say, on
//! its way to the extensions that subscribed. AWS docs: *Lambda Telemetry API*, *Lambda Logs
//! API*.
//!
//! The environment's journal tells each event once; every subscriber has a bounded buffer of its
//! own and a loop that delivers it in batches to a listener inside the sandbox.
//!
//! **Invariant:** telling an event never waits; a subscriber that does not keep up loses events,
//! and hears how many.
//!
//! Begin with [`Telemetry`].

mod buffer;
mod delivery;
mod event;
mod subscription;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haar_clock::Clock;
use haar_substrate::{SandboxId, Substrate};
use parking_lot::Mutex;
use tokio::sync::watch;

use delivery::Subscriber;
pub(crate) use event::Event;
pub(crate) use subscription::{Api, Refused, Subscription};

/// Events told before a subscription that are kept for it, and bytes of them. *Ours*.
const EARLY_EVENTS_MAX: usize = 1_000;
const EARLY_BYTES_MAX: usize = 256 << 10;

/// Where an environment's telemetry goes.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) clock: Clock,
    pub(crate) sandbox: SandboxId,
}

/// One environment's telemetry.
pub(crate) struct Telemetry {
    place: Place,
    /// The function's log lines are JSON documents.
    json_lines: bool,
    state: Mutex<State>,
    /// Somebody listens, or still may.
    open: AtomicBool,
    frozen: watch::Sender<bool>,
}

struct State {
    /// What was told so far; `None` when initialization is over and nobody may subscribe.
    early: Option<Vec<Event>>,
    early_bytes: usize,
    subscribers: Vec<Arc<Subscriber>>,
}

impl Telemetry {
    /// Telemetry that nobody has subscribed to yet.
    pub(crate) fn new(place: Place, json_lines: bool) -> Arc<Self> {
        let state = State { early: Some(Vec::new()), early_bytes: 0, subscribers: Vec::new() };
        Arc::new(Self {
            place,
            json_lines,
            state: Mutex::new(state),
            open: AtomicBool::new(true),
            frozen: watch::Sender::new(false),
        })
    }

    /// False when telling is of no use.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Tells an event to all who want it.
    pub(crate) fn tell(&self, event: Event) {
        if !self.is_open() {
            return;
        }
        let mut state = self.state.lock();
        for subscriber in &state.subscribers {
            subscriber.take(&event, self.json_lines);
        }
        let State { early, early_bytes, .. } = &mut *state;
        let size = event.size();
        if let Some(early) = early
            && early.len() < EARLY_EVENTS_MAX
            && *early_bytes + size <= EARLY_BYTES_MAX
        {
            *early_bytes += size;
            early.push(event);
        }
    }

    /// Subscribes an extension; it is told what happened so far. The same again changes nothing
    /// and answers false.
    ///
    /// # Errors
    /// When initialization is over, or the extension has subscribed by the other API.
    pub(crate) fn subscribe(
        &self,
        extension: &str,
        subscription: Subscription,
    ) -> Result<bool, Refused> {
        let mut state = self.state.lock();
        let Some(early) = &state.early else { return Err(Refused::closed(subscription.api)) };
        let known = state.subscribers.iter().find(|one| one.extension == extension);
        if let Some(known) = known {
            let same = known.subscription.api == subscription.api;
            return if same { Ok(false) } else { Err(Refused::other_api(subscription.api)) };
        }
        let frozen = self.frozen.subscribe();
        let subscriber = Subscriber::start(extension, subscription, self.place.clone(), frozen);
        for event in early {
            subscriber.take(event, self.json_lines);
        }
        state.subscribers.push(subscriber);
        Ok(true)
    }

    /// Initialization is over: nobody may subscribe any more.
    pub(crate) fn close_subscriptions(&self) {
        let mut state = self.state.lock();
        state.early = None;
        self.open.store(!state.subscribers.is_empty(), Ordering::Relaxed);
    }

    /// The environment's processes stand still, or go on.
    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Delivers what is buffered now, for at most `limit`.
    pub(crate) async fn flush(&self, limit: Duration) {
        let subscribers = self.state.lock().subscribers.clone();
        let flushed = futures_util::future::join_all(subscribers.iter().map(|one| one.flush()));
        let _ = self.place.clock.timeout(limit, flushed).await; // whoever does not take it loses it
    }

    /// The environment is gone.
    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        self.state.lock().subscribers.iter().for_each(|subscriber| subscriber.stop());
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.close();
    }
}
