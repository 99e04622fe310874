//! What is due when.

use std::collections::{BTreeMap, BTreeSet};

use haar_kv::{Batch, Keyspace, KvError};
use haar_schedule::Schedule;
use haar_types::Timestamp;

use crate::state::{RuleKey, RuleRow};

/// The rules with a schedule by their next instants, and the marks of how far they have come.
pub(super) struct Timetable {
    marks: Keyspace,
    entries: BTreeMap<RuleKey, Entry>,
    order: BTreeSet<(Timestamp, RuleKey)>,
}

struct Entry {
    schedule: Schedule,
    text: String,
    /// From when on the schedule runs.
    from: Timestamp,
    next: Option<Timestamp>,
}

/// An instant of a rule that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) rule: RuleKey,
    pub(super) at: Timestamp,
}

impl Timetable {
    pub(super) fn new(marks: Keyspace) -> Self {
        Self { marks, entries: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// The next instant of all.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a rule as it now stands. One whose schedule goes on keeps its place.
    pub(super) fn put(&mut self, row: &RuleRow) -> Result<(), KvError> {
        let text = row.schedule.as_deref().filter(|_| row.is_enabled());
        let Some(text) = text else { return self.remove(&row.key, false) };
        let known = self.entries.get(&row.key);
        if known.is_some_and(|entry| entry.text == text && entry.from == row.schedule_from) {
            return Ok(());
        }
        self.remove(&row.key, false)?;
        let Ok(schedule) = Schedule::of_rule(text) else { return Ok(()) };
        let from = row.schedule_from;
        let mark = self.marks.get(row.key.bytes())?.and_then(|mark| read(&mark));
        let after = mark.filter(|(of, _)| *of == from).map_or(from, |(_, at)| at);
        let next = schedule.next(from, after);
        self.order.extend(next.map(|at| (at, row.key.clone())));
        self.entries.insert(row.key.clone(), Entry { schedule, text: text.to_owned(), from, next });
        Ok(())
    }

    /// Takes a rule off; with its mark, when it is gone for good.
    pub(super) fn remove(&mut self, key: &RuleKey, is_gone: bool) -> Result<(), KvError> {
        if let Some(entry) = self.entries.remove(key)
            && let Some(at) = entry.next
        {
            self.order.remove(&(at, key.clone()));
        }
        if is_gone { self.marks.remove(key.bytes()) } else { Ok(()) }
    }

    /// What is due by now: of each rule the latest instant, so that those that were missed while
    /// haar was away are made up for once.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Due> {
        let due = self.order.iter().take_while(|(at, _)| *at <= now);
        due.map(|(at, rule)| {
            let later = |at: &Timestamp| {
                let entry = self.entries.get(rule)?;
                entry.schedule.next(entry.from, *at).filter(|next| *next <= now)
            };
            let latest = std::iter::successors(Some(*at), later).last().unwrap_or(*at);
            Due { rule: rule.clone(), at: latest }
        })
        .collect()
    }

    /// Notes in a batch that an instant is sent, and goes on to the rule's next.
    pub(super) fn note(&mut self, batch: &mut Batch, due: &Due) {
        let Some(entry) = self.entries.get_mut(&due.rule) else { return };
        let mark = [entry.from.0.to_be_bytes(), due.at.0.to_be_bytes()].concat();
        batch.put(&self.marks, due.rule.bytes(), mark);
        if let Some(at) = entry.next.take() {
            self.order.remove(&(at, due.rule.clone()));
        }
        entry.next = entry.schedule.next(entry.from, due.at);
        self.order.extend(entry.next.map(|at| (at, due.rule.clone())));
    }
}

/// A mark: since when the schedule runs, and the last instant that was sent.
fn read(mark: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (from, at) = mark.split_first_chunk::<8>()?;
    let at = i64::from_be_bytes(*at.first_chunk::<8>()?);
    Some((Timestamp(i64::from_be_bytes(*from)), Timestamp(at)))
}
