//! Which key is looked at when. Pure: told the time, tells what is due.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use haar_clock::Moment;
use haar_types::Timestamp;

/// First wait after a failure; doubles with each further one.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait after failures.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// The keys of one controller: due now, due later, being acted on, put aside.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    ready: Ready<K>,
    timers: BTreeSet<(Timestamp, K)>,
    timer_of: BTreeMap<K, Timestamp>,
    /// Failed: what failed is real, and so is the wait.
    back_offs: BTreeSet<(Moment, K)>,
    back_off_of: BTreeMap<K, Moment>,
    in_flight: BTreeSet<K>,
    /// Changed while being acted on: due again as soon as that ends.
    dirty: BTreeSet<K>,
    failures: BTreeMap<K, Failures>,
    quarantined: BTreeSet<K>,
}

/// How a key has failed of late, without a success in between.
#[derive(Debug)]
struct Failures {
    /// When the last one ended.
    at: Moment,
    count: u32,
    /// The last ones in a row during which the key changed.
    stirred_count: u32,
    /// The very last is one of these.
    is_stirred: bool,
    /// What the ledger showed when the last one ended.
    version: u64,
}

/// An act that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) at: Moment,
    /// Of the ledger when it ended: what changed up to then may be the act's own doing.
    pub(crate) version: u64,
    pub(crate) is_transient: bool,
    /// Spreads keys that failed together.
    pub(crate) chance: u64,
}

/// Keys that are due, each once, those first that became so first.
#[derive(Debug)]
struct Ready<K> {
    line: VecDeque<K>,
    keys: BTreeSet<K>,
}

impl<K: Ord + Clone> Ready<K> {
    fn insert(&mut self, key: K) {
        if self.keys.insert(key.clone()) {
            self.line.push_back(key);
        }
    }

    fn pop(&mut self) -> Option<K> {
        let key = self.line.pop_front()?;
        self.keys.remove(&key);
        Some(key)
    }
}

impl<K: Ord + Clone> Queue<K> {
    pub(crate) fn new() -> Self {
        Self {
            ready: Ready { line: VecDeque::new(), keys: BTreeSet::new() },
            timers: BTreeSet::new(),
            timer_of: BTreeMap::new(),
            back_offs: BTreeSet::new(),
            back_off_of: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            dirty: BTreeSet::new(),
            failures: BTreeMap::new(),
            quarantined: BTreeSet::new(),
        }
    }

    /// A key that changed with that version of the ledger is due, be it put aside.
    pub(crate) fn wake(&mut self, key: K, version: u64) {
        let is_late = |failures: &Failures| version <= failures.version;
        match self.failures.get(&key).is_some_and(is_late) && !self.in_flight.contains(&key) {
            true => self.stir(key),
            false => self.is_due(key),
        }
    }

    /// A key that a resync named is due, unless it is put aside or waits for its back-off.
    pub(crate) fn resync(&mut self, key: K) {
        if !self.quarantined.contains(&key) && !self.failures.contains_key(&key) {
            self.is_due(key);
        }
    }

    fn is_due(&mut self, key: K) {
        if self.in_flight.contains(&key) {
            self.dirty.insert(key);
        } else {
            self.cancel_timer(&key);
            self.ready.insert(key);
        }
    }

    /// A key changed during an act that failed: perhaps by another, and then it is due; but where
    /// that comes again and again it is the act itself, and the key waits all the same. One that is
    /// put aside waits for as long as a key can: the change may have been another's nevertheless.
    fn stir(&mut self, key: K) {
        let Some(failures) = self.failures.get_mut(&key).filter(|it| !it.is_stirred) else {
            return;
        };
        failures.is_stirred = true;
        failures.stirred_count += 1;
        let (count, back_at) = (failures.stirred_count, failures.at.after(BACK_OFF_MAX));
        if count == 1 {
            self.is_due(key);
        } else if self.quarantined.contains(&key) {
            self.back_off(key, back_at);
        }
    }

    /// Looks at a key again at a time.
    pub(crate) fn wake_at(&mut self, key: K, at: Timestamp) {
        self.cancel_timer(&key);
        self.timer_of.insert(key.clone(), at);
        self.timers.insert((at, key));
    }

    /// Moves what is due by `now`, or has waited for its back-off, to the ready ones.
    pub(crate) fn advance(&mut self, now: Timestamp, moment: Moment) {
        while let Some((_, key)) = self.timers.first().filter(|(at, _)| *at <= now).cloned() {
            self.rings(key);
        }
        while let Some((_, key)) = self.back_offs.first().filter(|(at, _)| *at <= moment).cloned() {
            self.rings(key);
        }
    }

    fn rings(&mut self, key: K) {
        self.cancel_timer(&key);
        if self.in_flight.contains(&key) {
            self.dirty.insert(key);
        } else {
            self.ready.insert(key);
        }
    }

    /// The next time at which a key becomes due.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next moment at which a key has waited for its back-off.
    pub(crate) fn next_back_off(&self) -> Option<Moment> {
        self.back_offs.first().map(|(at, _)| *at)
    }

    /// Takes a key that is due; if it was put aside, it is no more.
    pub(crate) fn take(&mut self) -> Option<K> {
        let key = self.ready.pop()?;
        self.quarantined.remove(&key);
        Some(key)
    }

    pub(crate) fn started(&mut self, key: K) {
        self.in_flight.insert(key);
    }

    pub(crate) fn succeeded(&mut self, key: &K) {
        self.failures.remove(key);
        self.in_flight.remove(key);
        if self.dirty.remove(key) {
            self.ready.insert(key.clone());
        }
    }

    /// Looks again after a back-off.
    pub(crate) fn failed(&mut self, key: &K, failure: Failure) {
        let count = self.note_failure(key, failure.version, failure.at);
        let wait = match failure.is_transient {
            false => BACK_OFF_MAX,
            true => (BACK_OFF_MIN * (1 << (count - 1))).min(BACK_OFF_MAX),
        };
        let spread = wait.mul_f64(0.75 + 0.5 * (failure.chance % 1024) as f64 / 1024.0);
        self.back_off(key.clone(), failure.at.after(spread));
        self.settle_failure(key);
    }

    fn back_off(&mut self, key: K, back_at: Moment) {
        if let Some(before) = self.back_off_of.insert(key.clone(), back_at) {
            self.back_offs.remove(&(before, key.clone()));
        }
        self.back_offs.insert((back_at, key));
    }

    /// Puts a key aside until it changes after that version of the ledger, or its time comes.
    pub(crate) fn quarantine(&mut self, key: &K, version: u64, at: Moment) {
        self.note_failure(key, version, at);
        self.quarantined.insert(key.clone());
        self.settle_failure(key);
    }

    /// Counts a failure; answers how many it makes.
    fn note_failure(&mut self, key: &K, version: u64, at: Moment) -> u32 {
        self.in_flight.remove(key);
        let before = self.failures.get(key);
        let count = (before.map_or(0, |before| before.count) + 1).min(16);
        let stirred = before.filter(|before| before.is_stirred);
        let stirred_count = stirred.map_or(0, |before| before.stirred_count);
        let failures = Failures { at, count, stirred_count, is_stirred: false, version };
        self.failures.insert(key.clone(), failures);
        count
    }

    fn settle_failure(&mut self, key: &K) {
        if self.dirty.remove(key) {
            self.stir(key.clone());
        }
    }

    /// Forgets what a plan that asks for nothing ends.
    pub(crate) fn settled(&mut self, key: &K) {
        self.failures.remove(key);
    }

    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.ready.keys.len() + self.dirty.len(), self.in_flight.len(), self.quarantined.len())
    }

    fn cancel_timer(&mut self, key: &K) {
        if let Some(at) = self.timer_of.remove(key) {
            self.timers.remove(&(at, key.clone()));
        }
        if let Some(at) = self.back_off_of.remove(key) {
            self.back_offs.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use haar_clock::Clock;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn moment() -> Moment {
        Clock::simulated(Timestamp(0)).moment()
    }

    fn failure(at: Moment) -> Failure {
        Failure { at, version: 0, is_transient: true, chance: 512 }
    }

    #[test]
    fn a_key_that_changes_while_acted_on_is_due_again_once() {
        let mut queue = Queue::new();
        queue.wake("a", 1);
        queue.wake("a", 1);
        assert_eq!(queue.take(), Some("a"));
        assert_eq!(queue.take(), None);
        queue.started("a");
        queue.wake("a", 1);
        queue.wake("a", 1);
        assert_eq!(queue.take(), None);
        queue.succeeded(&"a");
        assert_eq!((queue.take(), queue.take()), (Some("a"), None));
    }

    #[test]
    fn a_key_whose_time_comes_while_acted_on_is_due_when_that_ends() {
        let mut queue = Queue::new();
        queue.started("a");
        queue.wake_at("a", Timestamp(5));
        queue.advance(Timestamp(5), moment());
        assert_eq!(queue.take(), None);
        queue.succeeded(&"a");
        assert_eq!(queue.take(), Some("a"));
    }

    #[test]
    fn a_key_waits_for_one_back_off_though_it_was_due_meanwhile() {
        let (mut queue, begun) = (Queue::new(), moment());
        queue.started("a");
        queue.wake("a", 1);
        queue.quarantine(&"a", 1, begun);
        assert_eq!(queue.take(), Some("a"));
        queue.wake_at("a", Timestamp(30));
        queue.started("a");
        queue.quarantine(&"a", 2, begun);
        queue.advance(Timestamp(30), begun);
        queue.wake("a", 2); // a back-off of one that is due
        assert_eq!(queue.take(), Some("a"));
        queue.started("a");
        queue.failed(&"a", failure(begun));
        queue.advance(Timestamp(30), begun.after(DAY));
        assert_eq!((queue.take(), queue.take()), (Some("a"), None));
        assert_eq!(queue.next_back_off(), None);
    }

    #[test]
    fn failures_wait_longer_each_time_and_success_forgets_them() {
        let (mut queue, begun) = (Queue::new(), moment());
        let mut waits = Vec::new();
        for _ in 0..12 {
            queue.started("a");
            queue.failed(&"a", failure(begun));
            waits.push(queue.next_back_off().unwrap().since(begun).as_millis());
            queue.advance(Timestamp(0), begun.after(DAY));
            assert_eq!(queue.take(), Some("a"));
        }
        assert_eq!(&waits[..3], [100, 200, 400]);
        assert_eq!(*waits.last().unwrap(), 60_000);
        queue.started("a");
        queue.succeeded(&"a");
        queue.started("a");
        queue.failed(&"a", failure(begun));
        assert_eq!(queue.next_back_off(), Some(begun.after(Duration::from_millis(100))));
    }

    #[test]
    fn a_back_off_is_not_shortened_by_a_clock_that_is_moved() {
        let (mut queue, begun) = (Queue::new(), moment());
        queue.started("a");
        queue.failed(&"a", Failure { is_transient: false, ..failure(begun) });
        queue.advance(Timestamp(i64::MAX), begun);
        assert_eq!((queue.take(), queue.next_timer()), (None, None));
        queue.advance(Timestamp(0), begun.after(DAY));
        assert_eq!((queue.take(), queue.next_back_off()), (Some("a"), None));
    }

    #[test]
    fn a_back_off_does_not_delay_the_time_that_the_plan_asked_for() {
        let mut queue = Queue::new();
        queue.wake_at("a", Timestamp(30));
        queue.started("a");
        queue.failed(&"a", failure(moment()));
        assert_eq!(queue.next_timer(), Some(Timestamp(30)));
    }

    #[test]
    fn a_quarantined_key_rests_until_it_changes() {
        let mut queue = Queue::new();
        queue.started("a");
        queue.quarantine(&"a", 0, moment());
        queue.resync("a");
        assert_eq!(queue.take(), None);
        queue.wake("a", 1);
        assert_eq!(queue.take(), Some("a"));
    }

    #[test]
    fn a_quarantined_key_that_is_looked_at_is_put_aside_no_more() {
        let mut queue = Queue::new();
        queue.wake_at("a", Timestamp(30));
        queue.started("a");
        queue.quarantine(&"a", 0, moment());
        queue.advance(Timestamp(30), moment());
        assert_eq!((queue.take(), queue.counts()), (Some("a"), (0, 0, 0)));
    }

    #[test]
    fn what_changes_with_each_failure_waits_from_the_second_one_on() {
        let (mut queue, begun) = (Queue::new(), moment());
        for (round, is_told_late) in [(1, false), (2, true), (3, false), (4, true)] {
            queue.started("a");
            if !is_told_late {
                queue.wake("a", round);
            }
            queue.failed(&"a", Failure { version: round, ..failure(begun) });
            if is_told_late {
                queue.wake("a", round);
            }
            assert_eq!(queue.take(), (round == 1).then_some("a"), "round {round}");
            assert_eq!(queue.next_back_off().is_some(), round > 1);
            queue.advance(Timestamp(0), begun.after(DAY));
            let _ = queue.take();
        }
        queue.started("a");
        queue.failed(&"a", Failure { version: 5, ..failure(begun) });
        queue.wake("a", 6);
        assert_eq!(queue.take(), Some("a"), "what changes later ends the wait");
        queue.started("a");
        queue.wake("a", 7);
        queue.failed(&"a", Failure { version: 7, ..failure(begun) });
        assert_eq!(queue.take(), Some("a"), "the failure before was without a change");
    }
}
