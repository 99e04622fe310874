//! Whose turn it is: which event is started when, so that no function keeps another's waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use haar_types::Timestamp;

use super::async_event::AsyncEvent;

/// The function that an event is for.
pub(super) type Owner = Arc<str>;

/// Events by when they are due, and how many of each function are worked on.
pub(super) struct Turns {
    /// Of one function at once.
    working_max: usize,
    /// By when they are due; those that are worked on are not in it.
    due: BTreeMap<(Timestamp, String), Owner>,
    /// Due, but as many of their function are worked on as may be; the oldest first.
    waiting: BTreeMap<Owner, VecDeque<(Timestamp, String)>>,
    working: BTreeMap<Owner, usize>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Start this event; [`Turns::ended`] is told when it is done with.
    Start(String, Owner),
    /// Nothing is due until then, or not until something changes.
    Wait(Option<Timestamp>),
}

impl Turns {
    pub(super) fn new(working_max: usize) -> Self {
        Self {
            working_max: working_max.max(1),
            due: BTreeMap::new(),
            waiting: BTreeMap::new(),
            working: BTreeMap::new(),
        }
    }

    pub(super) fn owner(event: &AsyncEvent) -> Owner {
        let AsyncEvent { account, region, function_name, .. } = event;
        format!("{account}/{region}/{function_name}").into()
    }

    pub(super) fn add(&mut self, at: Timestamp, id: String, owner: Owner) {
        self.due.insert((at, id), owner);
    }

    /// Forgets what is not worked on.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.waiting.clear();
    }

    /// The next event that is due and may be started.
    pub(super) fn next(&mut self, now: Timestamp) -> Turn {
        while let Some(((at, _), _)) = self.due.first_key_value() {
            if *at > now {
                return Turn::Wait(Some(*at));
            }
            let Some(((at, id), owner)) = self.due.pop_first() else { break };
            let working = self.working.entry(Arc::clone(&owner)).or_default();
            if *working < self.working_max {
                *working += 1;
                return Turn::Start(id, owner);
            }
            self.waiting.entry(owner).or_default().push_back((at, id));
        }
        Turn::Wait(None)
    }

    /// An event is done with for now: the next of its function that waits is due.
    pub(super) fn ended(&mut self, owner: &Owner) {
        if let Some(working) = self.working.get_mut(owner) {
            *working -= 1;
            if *working == 0 {
                self.working.remove(owner);
            }
        }
        let Some(waiting) = self.waiting.get_mut(owner) else { return };
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(owner);
        }
        if let Some(key) = next {
            self.due.insert(key, Arc::clone(owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(events: &[(i64, &str, &str)]) -> Turns {
        let mut turns = Turns::new(2);
        for (at, id, owner) in events {
            turns.add(Timestamp(*at), (*id).to_owned(), (*owner).into());
        }
        turns
    }

    fn start(id: &str, owner: &str) -> Turn {
        Turn::Start(id.to_owned(), owner.into())
    }

    #[test]
    fn events_start_when_they_are_due_and_in_that_order() {
        let mut turns = turns(&[(20, "late", "f"), (10, "early", "f")]);
        assert_eq!(turns.next(Timestamp(5)), Turn::Wait(Some(Timestamp(10))));
        assert_eq!(turns.next(Timestamp(30)), start("early", "f"));
        assert_eq!(turns.next(Timestamp(30)), start("late", "f"));
        assert_eq!(turns.next(Timestamp(30)), Turn::Wait(None));
    }

    #[test]
    fn a_function_with_many_events_keeps_no_other_waiting() {
        let mut turns =
            turns(&[(1, "a", "slow"), (2, "b", "slow"), (3, "c", "slow"), (4, "d", "f")]);
        let now = Timestamp(9);
        assert_eq!(turns.next(now), start("a", "slow"));
        assert_eq!(turns.next(now), start("b", "slow"));
        assert_eq!(turns.next(now), start("d", "f"));
        assert_eq!(turns.next(now), Turn::Wait(None));
        turns.ended(&"f".into());
        assert_eq!(turns.next(now), Turn::Wait(None), "the slow one has its share");
        turns.ended(&"slow".into());
        assert_eq!(turns.next(now), start("c", "slow"));
    }

    #[test]
    fn what_is_forgotten_does_not_come_back() {
        let mut turns = turns(&[(1, "a", "f"), (2, "b", "f"), (3, "c", "f")]);
        assert_eq!(turns.next(Timestamp(9)), start("a", "f"));
        assert_eq!(turns.next(Timestamp(9)), start("b", "f"));
        assert_eq!(turns.next(Timestamp(9)), Turn::Wait(None));
        turns.clear();
        turns.ended(&"f".into());
        assert_eq!(turns.next(Timestamp(9)), Turn::Wait(None));
    }
}
