//! One queue's messages in memory: which are ready, which are due when, which are old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haar_types::Timestamp;

use super::groups::Groups;
use super::record::Record;

/// All messages of a queue. **Invariant:** each is either ready or waits until its time.
#[derive(Debug, Default)]
pub(crate) struct Index {
    is_fifo: bool,
    messages: BTreeMap<u64, Message>,
    /// Standard queues': by arrival.
    ready: BTreeSet<u64>,
    /// FIFO queues'.
    groups: Groups,
    ready_count: usize,
    /// Delayed and in flight, by when that ends.
    waiting: BTreeSet<(Timestamp, u64)>,
    in_flight_count: usize,
    by_age: BTreeSet<(Timestamp, u64)>,
}

#[derive(Debug)]
struct Message {
    record: Record,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ready,
    Delayed,
    InFlight,
    /// Popped, and not yet put anywhere.
    Nowhere,
}

/// How many messages are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) ready: usize,
    pub(crate) delayed: usize,
    pub(crate) in_flight: usize,
}

impl Index {
    /// Nothing yet.
    pub(crate) fn new(is_fifo: bool) -> Self {
        Self { is_fifo, ..Self::default() }
    }

    /// Adds a message that is not there yet.
    pub(crate) fn insert(&mut self, sequence: u64, record: Record, now: Timestamp) {
        if self.messages.contains_key(&sequence) {
            return;
        }
        self.by_age.insert((record.sent_at, sequence));
        self.messages.insert(sequence, Message { record, place: Place::Nowhere });
        self.place(sequence, now);
    }

    /// Removes a message from wherever it is.
    pub(crate) fn remove(&mut self, sequence: u64) -> Option<Record> {
        self.unplace(sequence);
        let message = self.messages.remove(&sequence)?;
        self.by_age.remove(&(message.record.sent_at, sequence));
        Some(message.record)
    }

    /// A message.
    pub(crate) fn get(&self, sequence: u64) -> Option<&Record> {
        self.messages.get(&sequence).map(|message| &message.record)
    }

    /// Whether a message is with a consumer, by that delivery.
    pub(crate) fn is_in_flight(&self, sequence: u64, delivery: u64) -> bool {
        let found = self.messages.get(&sequence);
        found.is_some_and(|message| {
            message.place == Place::InFlight && message.record.delivery == delivery
        })
    }

    /// What was due by now becomes ready.
    pub(crate) fn promote(&mut self, now: Timestamp) {
        while let Some((due_at, sequence)) = self.waiting.first().copied() {
            if due_at > now {
                break;
            }
            self.unplace(sequence);
            self.place(sequence, now);
        }
    }

    /// Has messages stand again as they did before, by their records of then.
    pub(crate) fn put_back(&mut self, before: Vec<(u64, Record)>, now: Timestamp) {
        for (sequence, record) in before {
            self.remove(sequence);
            self.insert(sequence, record, now);
        }
    }

    /// Takes the next ready message out; the caller puts it somewhere, or removes it.
    pub(crate) fn pop(&mut self, current: &mut Option<Arc<str>>) -> Option<u64> {
        let sequence = match self.is_fifo {
            true => self.groups.pop(current)?,
            false => self.ready.pop_first()?,
        };
        self.ready_count -= 1;
        if let Some(message) = self.messages.get_mut(&sequence) {
            message.place = Place::Nowhere;
        }
        Some(sequence)
    }

    /// To be called after the last [`Self::pop`] of a request.
    pub(crate) fn settle(&mut self, current: Option<Arc<str>>) {
        if let Some(group) = current {
            self.groups.settle(&group);
        }
    }

    /// Hands a popped message out until `due_at`.
    pub(crate) fn deliver(
        &mut self,
        sequence: u64,
        delivery: u64,
        now: Timestamp,
        due_at: Timestamp,
    ) -> Option<Record> {
        let message = self.messages.get_mut(&sequence)?;
        let record = &mut message.record;
        if record.receive_count == 0 {
            record.first_received_at = now;
        }
        record.receive_count += 1;
        record.received_at = now;
        record.delivery = delivery;
        record.due_at = due_at;
        let record = record.clone();
        self.wait(sequence, Place::InFlight);
        Some(record)
    }

    /// Lets a message wait until another time; at once ready when that has come.
    pub(crate) fn reschedule(
        &mut self,
        sequence: u64,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Option<Record> {
        let was_in_flight = self.messages.get(&sequence)?.place == Place::InFlight;
        self.unplace(sequence);
        let message = self.messages.get_mut(&sequence)?;
        message.record.due_at = due_at;
        let record = message.record.clone();
        match was_in_flight && due_at > now {
            true => self.wait(sequence, Place::InFlight),
            false => self.place(sequence, now),
        }
        Some(record)
    }

    /// Messages that wait and were never received, for a delay that changed.
    pub(crate) fn delayed(&self) -> Vec<u64> {
        let all = self.waiting.iter().map(|(_, sequence)| *sequence);
        all.filter(|sequence| self.is_delayed(*sequence)).collect()
    }

    /// Whether a message waits and was never received.
    pub(crate) fn is_delayed(&self, sequence: u64) -> bool {
        self.messages.get(&sequence).is_some_and(|message| message.place == Place::Delayed)
    }

    /// When the next message that waits is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due_at, _)| *due_at)
    }

    /// Whether one could be received.
    pub(crate) fn has_ready(&self) -> bool {
        if self.is_fifo { self.groups.is_open() } else { !self.ready.is_empty() }
    }

    /// Messages that were sent by then, oldest first, at most so many.
    pub(crate) fn sent_by(&self, at: Timestamp, most: usize) -> Vec<u64> {
        let old = self.by_age.iter().take_while(|(sent_at, _)| *sent_at <= at).take(most);
        old.map(|(_, sequence)| *sequence).collect()
    }

    /// When the oldest message was sent.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.by_age.first().map(|(sent_at, _)| *sent_at)
    }

    /// How many messages are where.
    pub(crate) fn counts(&self) -> Counts {
        let (ready, in_flight) = (self.ready_count, self.in_flight_count);
        Counts { ready, in_flight, delayed: self.waiting.len() - in_flight }
    }

    /// Puts a message that is nowhere where its time says.
    fn place(&mut self, sequence: u64, now: Timestamp) {
        let Some(message) = self.messages.get_mut(&sequence) else { return };
        if message.record.due_at > now {
            let received = message.record.receive_count > 0;
            let place = if received { Place::InFlight } else { Place::Delayed };
            self.wait(sequence, place);
            return;
        }
        message.place = Place::Ready;
        self.ready_count += 1;
        match message.record.group.as_ref().filter(|_| self.is_fifo) {
            Some(group) => self.groups.add(group, sequence),
            None => _ = self.ready.insert(sequence),
        }
    }

    fn wait(&mut self, sequence: u64, place: Place) {
        let Some(message) = self.messages.get_mut(&sequence) else { return };
        message.place = place;
        self.waiting.insert((message.record.due_at, sequence));
        if place == Place::InFlight {
            self.in_flight_count += 1;
            if let Some(group) = message.record.group.as_ref().filter(|_| self.is_fifo) {
                self.groups.fly(group);
            }
        }
    }

    fn unplace(&mut self, sequence: u64) {
        let Some(message) = self.messages.get_mut(&sequence) else { return };
        let group = message.record.group.as_ref().filter(|_| self.is_fifo);
        match std::mem::replace(&mut message.place, Place::Nowhere) {
            Place::Nowhere => {}
            Place::Ready => {
                self.ready_count -= 1;
                self.ready.remove(&sequence);
                if let Some(group) = group {
                    self.groups.remove(group, sequence);
                }
            }
            place @ (Place::Delayed | Place::InFlight) => {
                self.waiting.remove(&(message.record.due_at, sequence));
                if place == Place::InFlight {
                    self.in_flight_count -= 1;
                    if let Some(group) = group {
                        self.groups.land(group);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
