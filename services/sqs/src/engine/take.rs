//! Receiving: at once, or waiting until a message comes or is due.

use std::sync::Arc;
use std::time::Duration;

use haar_clock::Moment;
use haar_kv::{Batch, KvError};
use haar_types::Timestamp;
use parking_lot::MappedMutexGuard;

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

/// What a receive has taken out, and how it stood before.
#[derive(Default)]
struct Picked {
    before: Vec<(u64, Record)>,
    taken: Vec<Delivered>,
    /// By where they go.
    dead: Vec<(u64, Record)>,
}

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
        if let Some(deliveries) = asked_again(&mut core, take, now) {
            return Ok((Ok(self.again(queue, core, &deliveries, (take, now))?), None));
        }
        let due_before = core.index.next_due();
        let room = take.in_flight_max.saturating_sub(core.index.counts().in_flight);
        if room == 0 && !queue.is_fifo {
            return Ok((Err(Full), due_before)); // FIFO queues only give nothing
        }
        let (mut picked, mut batch) = (Picked::default(), Batch::new());
        let mut current = None;
        let done = loop {
            if picked.taken.len() >= take.count_max.min(room) {
                break Ok(());
            }
            let Some(sequence) = core.index.pop(&mut current) else { break Ok(()) };
            let to = (queue, take, now);
            if let Err(error) = self.pick(&mut batch, &mut core, &mut picked, sequence, to) {
                break Err(error);
            }
        };
        core.index.settle(current);
        let Picked { before, taken, dead } = picked;
        if let Err(error) = done.and_then(|()| self.store.apply_to_empty(batch)) {
            queue.undo(core, &error, before, now);
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

    /// Hands a popped message out, or moves it to the dead.
    fn pick(
        &self,
        batch: &mut Batch,
        core: &mut Core,
        picked: &mut Picked,
        sequence: u64,
        (queue, take, now): (&Queue, &Take, Timestamp),
    ) -> Result<(), KvError> {
        let Some(before) = core.index.get(sequence).cloned() else { return Ok(()) };
        let count = before.receive_count;
        picked.before.push((sequence, before));
        match take.dead.as_ref().filter(|dead| count >= dead.receives_max) {
            Some(to) => picked.dead.extend(self.bury(batch, queue, core, sequence, to)?),
            None => {
                let due_at = now + take.visibility;
                let record = core.index.deliver(sequence, self.ids.draw(), now, due_at);
                if let Some(record) = record {
                    self.store.update(batch, queue.id, sequence, &record);
                    picked.taken.push(Delivered { sequence, record });
                }
            }
        }
        Ok(())
    }

    /// Hands out again what an attempt got; seen for as long again.
    fn again(
        &self,
        queue: &Queue,
        mut core: MappedMutexGuard<'_, Core>,
        deliveries: &[(u64, u64)],
        (take, now): (&Take, Timestamp),
    ) -> Result<Vec<Delivered>, KvError> {
        let (mut batch, mut picked) = (Batch::new(), Picked::default());
        for (sequence, _) in deliveries.iter().copied() {
            let before = core.index.get(sequence).cloned();
            picked.before.extend(before.map(|before| (sequence, before)));
            if let Some(record) = core.index.reschedule(sequence, now + take.visibility, now) {
                self.store.update(&mut batch, queue.id, sequence, &record);
                picked.taken.push(Delivered { sequence, record });
            }
        }
        if let Err(error) = self.store.apply_to_empty(batch) {
            queue.undo(core, &error, picked.before, now);
            return Err(error);
        }
        Ok(picked.taken)
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
        let (mut current, mut before, mut done) = (None, Vec::new(), Ok(()));
        while moved.len() < count {
            let Some(sequence) = core.index.pop(&mut current) else { break };
            before.extend(core.index.get(sequence).map(|record| (sequence, record.clone())));
            let content = match self.store.content(queue.id, sequence) {
                Ok(content) => content,
                Err(error) => {
                    done = Err(error);
                    break;
                }
            };
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
        if let Err(error) = done.and_then(|()| self.store.apply(batch)) {
            queue.undo(core, &error, before, now);
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

/// What the same attempt got before, if none of it was touched since.
fn asked_again(core: &mut Core, take: &Take, now: Timestamp) -> Option<Vec<(u64, u64)>> {
    core.attempts.retain(|_, attempt| attempt.until > now);
    let deliveries = core.attempts.get(take.attempt.as_ref()?)?.deliveries.clone();
    let mut each = deliveries.iter();
    each.all(|(at, delivery)| core.index.is_in_flight(*at, *delivery)).then_some(deliveries)
}

/// Remembers what an attempt got.
fn note(core: &mut Core, take: &Take, taken: &[Delivered], now: Timestamp) {
    let Some(id) = take.attempt.clone().filter(|_| !taken.is_empty()) else { return };
    let deliveries = taken.iter().map(|it| (it.sequence, it.record.delivery)).collect();
    core.attempts.insert(id, Attempt { until: now + WINDOW, deliveries });
}
