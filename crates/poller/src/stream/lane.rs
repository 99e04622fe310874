//! One lane of a shard: batches, one after another.

use std::collections::VecDeque;
use std::sync::Arc;

use haar_types::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::backlog::Backlog;
use super::checkpoint::{Mark, OpenWindow};
use super::gather::Gathered;
use super::poller::Poller;
use super::reader::save;
use crate::rules::report;
use crate::rules::retry::{self, EXHAUSTED, Said, Step, TOO_OLD, judge};
use crate::rules::window;
use crate::{Delivery, Discarded, Item, Taken, WindowFacts};

/// One lane.
pub(super) struct Lane {
    pub(super) poller: Arc<Poller>,
    pub(super) shard: String,
    pub(super) number: usize,
    /// The shard's, shared with its other lanes.
    pub(super) mark: Arc<Mutex<Mark>>,
    /// What was read ahead of it.
    pub(super) backlog: Arc<Backlog>,
}

/// Works off a lane's records; true when it has done all of them.
pub(super) async fn run_lane(lane: Lane) -> bool {
    let clock = lane.poller.clock.clone();
    let mut working = clock.working();
    loop {
        let next = async {
            tokio::select! {
                biased;
                () = lane.poller.stop.cancelled() => None,
                gathered = lane.gather() => Some(gathered),
            }
        };
        let (gathered, at_work) = clock.rest(working, next).await;
        working = at_work;
        let Some(gathered) = gathered else { return false };
        let done = match gathered {
            Gathered::Batch { items, last } => lane.work_off(items, &last).await,
            Gathered::WindowOver => lane.close_window(false).await,
            Gathered::Over => {
                return lane.open_window().is_none() || lane.close_window(true).await;
            }
        };
        if !done {
            return false;
        }
    }
}

impl Lane {
    pub(super) fn open_window(&self) -> Option<OpenWindow> {
        self.mark.lock().windows[self.number].clone()
    }

    /// Notes what is done.
    fn checkpoint(&self, last: &str) {
        let mut mark = self.mark.lock();
        mark.advance(self.number, last.to_owned());
        save(&self.poller, &self.shard, &mark);
    }

    fn set_window(&self, open: Option<OpenWindow>) {
        self.mark.lock().windows[self.number] = open;
    }

    /// Gives a batch to its consumer until nothing of it is left; false when it is time to stop.
    async fn work_off(&self, items: Vec<Item>, last: &str) -> bool {
        let mut parts = VecDeque::from([Part { items, attempts: 0 }]);
        while let Some(mut part) = parts.pop_front() {
            while !part.items.is_empty() {
                if self.poller.stop.is_cancelled() {
                    return false;
                }
                match self.attempt(&mut part).await {
                    Attempt::On => {}
                    Attempt::Second(second) => parts.push_front(second),
                    Attempt::Cut => return false,
                }
            }
        }
        self.checkpoint(&self.backlog.settle(last));
        true
    }

    /// Makes one attempt at a part and takes off it what is done.
    async fn attempt(&self, part: &mut Part) -> Attempt {
        let retry = self.poller.settings.retry;
        let now = self.poller.clock.now();
        let too_old = retry::expired(part.items.iter().map(|item| now.since(item.at)), &retry);
        if too_old > 0 {
            let expired: Vec<Item> = part.items.drain(..too_old).collect();
            return match self.give_up(&expired, TOO_OLD, part.attempts, None).await {
                true => Attempt::On,
                false => Attempt::Cut,
            };
        }
        let window = self.window_of(&part.items, false, false);
        let working = self.poller.clock.working();
        let taken = self.give(&part.items, window.as_ref()).await;
        drop(working);
        let said = match &taken {
            Taken::Cut => return Attempt::Cut,
            Taken::Unreached(reason) => {
                self.poller.consumer.note(&format!("PROBLEM: {reason}"));
                Said::Unreached
            }
            Taken::Failed(_) => Said::Failed,
            Taken::Answered(answer, _) => Said::Answered(self.understand(answer, &part.items)),
        };
        let at = |id: &str| part.items.iter().position(|item| item.id == id);
        let step = judge(&said, part.items.len(), part.attempts, &retry, at);
        if let (Taken::Answered(answer, _), Some(window)) = (&taken, window) {
            self.keep_state(answer, &window).await;
        }
        self.follow(part, step, &taken).await
    }

    async fn follow(&self, part: &mut Part, step: Step, taken: &Taken) -> Attempt {
        let problem = "PROBLEM: Function call failed";
        match step {
            Step::Done => {
                self.poller.consumer.note("OK");
                self.take_off(part, part.items.len());
                Attempt::On
            }
            Step::Again { done, attempts, wait } => {
                if !matches!(taken, Taken::Unreached(_)) {
                    self.poller.consumer.note(problem);
                }
                self.take_off(part, done);
                part.attempts = attempts;
                self.poller.pause(wait).await;
                Attempt::On
            }
            Step::Split { done, first } => {
                self.poller.consumer.note(problem);
                self.take_off(part, done);
                let second = part.items.split_off(first);
                Attempt::Second(Part { items: second, attempts: part.attempts })
            }
            Step::GiveUp { done } => {
                self.poller.consumer.note(problem);
                self.take_off(part, done);
                let last = match taken {
                    Taken::Failed(facts) | Taken::Answered(_, facts) => Some(facts),
                    Taken::Unreached(_) | Taken::Cut => None,
                };
                let attempts = part.attempts + 1;
                if !self.give_up(&part.items, EXHAUSTED, attempts, last).await {
                    return Attempt::Cut;
                }
                self.take_off(part, part.items.len());
                Attempt::On
            }
        }
    }

    /// Takes off records that are done, which a crash need not bring back.
    fn take_off(&self, part: &mut Part, done: usize) {
        let done: Vec<Item> = part.items.drain(..done.min(part.items.len())).collect();
        if let Some(last) = done.last() {
            self.checkpoint(&last.id);
        }
    }

    async fn give(&self, items: &[Item], window: Option<&WindowFacts>) -> Taken {
        let delivery = Delivery { items, shard: Some(&self.shard), window };
        self.poller.consumer.take(delivery).await
    }

    /// Tells whoever is to hear of records that are given up; false where haar stops before they
    /// were told, so that the records come again.
    async fn give_up(
        &self,
        items: &[Item],
        condition: &str,
        attempt_count: u32,
        last: Option<&Value>,
    ) -> bool {
        let shard = self.shard.as_str();
        let discarded = Discarded { items, shard, condition, attempt_count, last };
        tokio::select! {
            () = self.poller.consumer.discard(discarded) => {}
            () = self.poller.stop.cancelled() => return false,
        }
        if let Some(item) = items.last() {
            self.checkpoint(&item.id);
        }
        true
    }

    fn understand(&self, answer: &[u8], items: &[Item]) -> report::Report {
        report::read(answer, |id| items.iter().any(|item| item.id == id))
    }

    /// The window that a batch is of.
    fn window_of(&self, items: &[Item], is_final: bool, early: bool) -> Option<WindowFacts> {
        let length = self.poller.settings.window?;
        let open = self.open_window().or_else(|| {
            let (start, end) = window::of(items.first()?.at, length);
            Some(OpenWindow { start_ms: start.0, end_ms: end.0, state: json!({}) })
        })?;
        Some(WindowFacts {
            start: Timestamp(open.start_ms),
            end: Timestamp(open.end_ms),
            state: open.state,
            is_final,
            is_terminated_early: early,
        })
    }

    /// Keeps what a consumer answered for the window's next batch. A state that has grown too
    /// large ends its window.
    async fn keep_state(&self, answer: &[u8], window: &WindowFacts) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let state = answer.get("state").cloned().unwrap_or_else(|| json!({}));
        let is_large = state.to_string().len() > window::STATE_BYTES_MAX;
        let open = OpenWindow { start_ms: window.start.0, end_ms: window.end.0, state };
        self.set_window(Some(open));
        if is_large {
            let facts = WindowFacts { is_final: true, is_terminated_early: true, ..window.clone() };
            let _ = self.give(&[], Some(&facts)).await; // its answer opens nothing
            self.set_window(None);
        }
    }

    /// Gives the end of the open window to the consumer; false when it is time to stop.
    async fn close_window(&self, early: bool) -> bool {
        let mut attempts = 0;
        loop {
            let Some(window) = self.window_of(&[], true, early) else { return true };
            let taken = self.give(&[], Some(&window)).await;
            let said = match &taken {
                Taken::Cut => return false,
                Taken::Unreached(_) => Said::Unreached,
                Taken::Failed(_) => Said::Failed,
                Taken::Answered(..) => Said::Answered(report::Report::Done),
            };
            match judge(&said, 1, attempts, &self.poller.settings.retry, |_| None) {
                Step::Again { attempts: counted, wait, .. } => {
                    attempts = counted;
                    self.poller.pause(wait).await;
                    if self.poller.stop.is_cancelled() {
                        return false;
                    }
                }
                _ => {
                    self.set_window(None);
                    save(&self.poller, &self.shard, &self.mark.lock());
                    return true;
                }
            }
        }
    }
}

/// A batch, or a part of one.
struct Part {
    items: Vec<Item>,
    /// Attempts that it has had.
    attempts: u32,
}

/// What follows from an attempt.
enum Attempt {
    /// Go on with what is left of the part.
    On,
    /// The part was split; this one comes after it.
    Second(Part),
    /// It is time to stop.
    Cut,
}
