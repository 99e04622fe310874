//! Receiving: at once, or waiting until a message comes or is due.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Moment;
use haar_kv::{Batch, KvError};
use haar_types::Timestamp;

use super::queue::{Attempt, Core, Queue};
use super::record::{Delivered, Record};
use super::{Engine, WINDOW};

/// What a receiver asks for.
#[derive(Clone)]
pub(crate) struct Take {
    pub(crate) count_max: usize,
    pub(crate) visibility: Duration,
    /// No more than so many may be in flight.
    pub(crate) in_flight_max: usize,
    pub(crate) dead: Option<Dead>,
    /// `ReceiveRequestAttemptId`.
    pub(crate) attempt: Option<String>,
}

/// Where messages go that were received too often.
#[derive(Clone)]
pub(crate) struct Dead {
    pub(crate) receives_max: u32,
    pub(crate) target: Arc<Queue>,
    pub(crate) source_arn: String,
}

/// Too many messages are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Wakes another waiter when this one leaves: what it was told may be for others too.
struct Waiting<'a>(&'a Queue);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.arrived.notify_one();
    }
}

impl Engine {
    /// Takes messages, waiting until `until` for the first. Dropped, it has taken nothing.
    pub(crate) async fn receive(
        &self,
        queue: &Queue,
        take: &Take,
        until: Moment,
    ) -> Result<Result<Vec<Delivered>, Full>, KvError> {
        if let Some(dead) = &take.dead {
            self.ready(&dead.target).await?;
        }
        let mut waiting = None;
        loop {
            let now = self.clock.now();
            let (taken, next_due) = self.take(queue, take, now)?;
            let done = match &taken {
                Ok(taken) => !taken.is_empty(),
                Err(Full) => true,
            };
            if done || self.clock.moment() >= until || queue.is_closed() {
                return Ok(taken);
            }
            waiting.get_or_insert_with(|| Waiting(queue));
            let due = async {
                match next_due {
                    Some(at) => self.clock.sleep_until_time(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = queue.arrived.notified() => {}
                () = due => {}
                () = self.clock.sleep_until(until) => {}
            }
        }
    }

    /// Takes what is ready, and when the next that waits is due.
    #[allow(clippy::type_complexity)] // both are for the loop above alone
    fn take(
        &self,
        queue: &Queue,
        take: &Take,
        now: Timestamp,
    ) -> Result<(Result<Vec<Delivered>, Full>, Option<Timestamp>), KvError> {
        let mut core = queue.lock(&self.store, now)?;
        core.index.promote(now);
        if let Some(again) = self.again(queue, &mut core, take, now)? {
            return Ok((Ok(again), None));
        }
        let due_before = core.index.next_due();
        let room = take.in_flight_max.saturating_sub(core.index.counts().in_flight);
        if room == 0 && !queue.is_fifo {
            return Ok((Err(Full), due_before)); // FIFO queues only give nothing
        }
        let (mut batch, mut taken, mut dead) = (Batch::new(), Vec::new(), Vec::new());
        let mut current = None;
        while taken.len() < take.count_max.min(room) {
            let Some(sequence) = core.index.pop(&mut current) else { break };
            let count = core.index.get(sequence).map_or(0, |record| record.receive_count);
            match take.dead.as_ref().filter(|dead| count >= dead.receives_max) {
                Some(to) => dead.extend(self.bury(&mut batch, queue, &mut core, sequence, to)?),
                None => {
                    let delivery = self.ids.draw();
                    let due_at = now + take.visibility;
                    let record = core.index.deliver(sequence, delivery, now, due_at);
                    taken.extend(record.map(|record| Delivered { sequence, record }));
                }
            }
        }
        core.index.settle(current);
        for Delivered { sequence, record } in &taken {
            self.store.update(&mut batch, queue.id, *sequence, record);
        }
        if let Err(error) = self.store.apply(batch) {
            queue.forget(core);
            return Err(error);
        }
        note(&mut core, take, &taken, now);
        let next_due = core.index.next_due();
        drop(core);
        if next_due < due_before || (due_before.is_none() && next_due.is_some()) {
            queue.arrived.notify_one(); // a waiter may have to look earlier
        }
        for (sequence, record) in dead {
            if let Some(to) = &take.dead {
                self.adopt(&to.target, sequence, record)?;
            }
        }
        Ok((Ok(taken), next_due))
    }

    /// What the same attempt got before, if none of it was touched since; seen for as long
    /// again.
    fn again(
        &self,
        queue: &Queue,
        core: &mut Core,
        take: &Take,
        now: Timestamp,
    ) -> Result<Option<Vec<Delivered>>, KvError> {
        core.attempts.retain(|_, attempt| attempt.until > now);
        let attempt = take.attempt.as_ref().and_then(|id| core.attempts.get(id));
        let Some(deliveries) = attempt.map(|attempt| attempt.deliveries.clone()) else {
            return Ok(None);
        };
        if !deliveries.iter().all(|(at, delivery)| core.index.is_in_flight(*at, *delivery)) {
            return Ok(None);
        }
        let (mut batch, mut taken) = (Batch::new(), Vec::new());
        for (sequence, _) in deliveries {
            if let Some(record) = core.index.reschedule(sequence, now + take.visibility, now) {
                self.store.update(&mut batch, queue.id, sequence, &record);
                taken.push(Delivered { sequence, record });
            }
        }
        self.store.apply(batch)?;
        Ok(Some(taken))
    }

    /// Moves a popped message to the dead, in one batch; its place there is to be taken.
    fn bury(
        &self,
        batch: &mut Batch,
        queue: &Queue,
        core: &mut Core,
        sequence: u64,
        to: &Dead,
    ) -> Result<Option<(u64, Record)>, KvError> {
        let content = self.store.content(queue.id, sequence)?;
        self.store.remove(batch, queue.id, sequence);
        let record = core.index.remove(sequence);
        let (Some(mut content), Some(mut record)) = (content, record) else { return Ok(None) };
        content.source_arn = Some(to.source_arn.clone());
        let now = self.clock.now();
        record.due_at = now;
        record.delivery = 0;
        if to.target.is_fifo {
            record.sent_at = now; // only standard queues count from when it was first sent
        }
        let place = self.next_sequence(now);
        self.store.put(batch, (to.target.id, place), &record, &content);
        Ok(Some((place, record)))
    }

    /// Moves up to `count` ready messages of a queue to where `target` says; how many.
    pub(crate) fn move_out(
        &self,
        queue: &Queue,
        count: usize,
        target: impl Fn(Option<&str>) -> Option<Arc<Queue>>,
    ) -> Result<usize, KvError> {
        let now = self.clock.now();
        let (mut batch, mut moved, mut kept) = (Batch::new(), Vec::new(), Vec::new());
        let mut core = queue.lock(&self.store, now)?;
        core.index.promote(now);
        let mut current = None;
        while moved.len() < count {
            let Some(sequence) = core.index.pop(&mut current) else { break };
            let content = self.store.content(queue.id, sequence)?;
            let source = content.as_ref().and_then(|content| content.source_arn.as_deref());
            let Some((to, mut content)) = target(source).zip(content) else {
                kept.push(sequence);
                continue;
            };
            content.source_arn = None;
            content.message_id = self.ids.uuid();
            self.store.remove(&mut batch, queue.id, sequence);
            let Some(mut record) = core.index.remove(sequence) else { continue };
            // A moved message is new where it goes: counted and kept anew.
            (record.sent_at, record.due_at) = (now, now);
            (record.receive_count, record.delivery) = (0, 0);
            let place = self.next_sequence(now);
            self.store.put(&mut batch, (to.id, place), &record, &content);
            moved.push((to, place, record));
        }
        core.index.settle(current);
        for sequence in kept {
            core.index.reschedule(sequence, now, now);
        }
        if let Err(error) = self.store.apply(batch) {
            queue.forget(core);
            return Err(error);
        }
        drop(core);
        let count = moved.len();
        for (to, place, record) in moved {
            self.adopt(&to, place, record)?;
        }
        Ok(count)
    }
}

/// Remembers what an attempt got.
fn note(core: &mut Core, take: &Take, taken: &[Delivered], now: Timestamp) {
    let Some(id) = take.attempt.clone().filter(|_| !taken.is_empty()) else { return };
    let deliveries = taken.iter().map(|it| (it.sequence, it.record.delivery)).collect();
    core.attempts.insert(id, Attempt { until: now + WINDOW, deliveries });
}
