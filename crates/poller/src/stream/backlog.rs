//! Records that were read ahead of one lane: bounded by their number and by their bytes.
//!
//! The reader never waits for a lane. What does not go in is left in the stream and read anew when
//! the lane has room again, so a lane whose consumer is slow holds up nobody but itself.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::checkpoint::order;
use crate::Item;

/// What may be ahead of one lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// Between the reader of a shard and one lane.
pub(super) struct Backlog {
    limits: Limits,
    inner: Mutex<Inner>,
    /// Wakes the lane.
    filled: Notify,
    /// Wakes the reader, which has one for all lanes.
    room: Arc<Notify>,
}

struct Inner {
    items: VecDeque<Item>,
    bytes: usize,
    /// All of the lane's records up to this one were put in; `None`: none yet.
    taken: Option<String>,
    /// One did not go in: nothing goes in until half of the room is free.
    is_stalled: bool,
    /// Records were taken out that are not done.
    is_busy: bool,
    /// No more comes.
    is_over: bool,
}

/// What [`Backlog::pop`] found.
pub(super) enum Popped {
    Item(Item),
    /// The next one is not wanted now.
    Held,
    Empty,
    Over,
}

impl Backlog {
    pub(super) fn new(limits: Limits, taken: Option<String>, room: Arc<Notify>) -> Self {
        let inner = Inner {
            items: VecDeque::new(),
            bytes: 0,
            taken,
            is_stalled: false,
            is_busy: false,
            is_over: false,
        };
        Self { limits, inner: Mutex::new(inner), filled: Notify::new(), room }
    }

    /// Where the reader goes on for this lane, and how many records have room; `None` while it
    /// has none.
    pub(super) fn wants(&self) -> Option<(Option<String>, usize)> {
        let inner = self.inner.lock();
        let room = self.limits.count.saturating_sub(inner.items.len()).max(1);
        (!inner.is_stalled).then(|| (inner.taken.clone(), room))
    }

    /// Puts a record in, unless it was put in before; false where it has no room.
    pub(super) fn offer(&self, item: Item) -> bool {
        let mut inner = self.inner.lock();
        if inner.taken.as_ref().is_some_and(|taken| order(&item.id, taken).is_le()) {
            return true;
        }
        let is_many = inner.items.len() >= self.limits.count;
        let is_much = inner.bytes + item.size > self.limits.bytes;
        if !inner.items.is_empty() && (is_many || is_much) {
            inner.is_stalled = true;
            return false;
        }
        inner.taken = Some(item.id.clone());
        inner.bytes += item.size;
        inner.items.push_back(item);
        drop(inner);
        self.filled.notify_one();
        true
    }

    /// Notes that none of its records up to this one is missing. Answers it where the lane has
    /// nothing to do, and so is done up to there.
    pub(super) fn pass(&self, last: &str) -> Option<String> {
        let mut inner = self.inner.lock();
        if inner.taken.as_ref().is_none_or(|taken| order(taken, last).is_lt()) {
            inner.taken = Some(last.to_owned());
        }
        let is_idle = inner.items.is_empty() && !inner.is_busy && !inner.is_stalled;
        inner.taken.clone().filter(|_| is_idle)
    }

    /// Tells the lane that no more comes.
    pub(super) fn end(&self) {
        self.inner.lock().is_over = true;
        self.filled.notify_one();
    }

    /// Takes the next record out, where it is wanted.
    pub(super) fn pop(&self, is_wanted: impl FnOnce(&Item) -> bool) -> Popped {
        let mut inner = self.inner.lock();
        match inner.items.front() {
            None if inner.is_over => return Popped::Over,
            None => return Popped::Empty,
            Some(item) if !is_wanted(item) => return Popped::Held,
            Some(_) => {}
        }
        let Some(item) = inner.items.pop_front() else { return Popped::Empty };
        inner.bytes -= item.size;
        inner.is_busy = true;
        let is_half_free =
            inner.items.len() * 2 <= self.limits.count && inner.bytes * 2 <= self.limits.bytes;
        let has_room_again = inner.is_stalled && is_half_free;
        if has_room_again {
            inner.is_stalled = false;
        }
        drop(inner);
        if has_room_again {
            self.room.notify_one();
        }
        Popped::Item(item)
    }

    /// Notes that all that was taken out is done, up to `last`; answers how far the lane is done:
    /// where nothing waits, up to the last record that it was read for.
    pub(super) fn settle(&self, last: &str) -> String {
        let mut inner = self.inner.lock();
        inner.is_busy = false;
        let is_idle = inner.items.is_empty() && !inner.is_stalled;
        inner.taken.clone().filter(|_| is_idle).unwrap_or_else(|| last.to_owned())
    }

    /// Waits for a record, or for the end.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use haar_types::Timestamp;
    use serde_json::json;

    use super::*;

    fn item(id: &str, size: usize) -> Item {
        Item {
            id: id.to_owned(),
            record: json!({}),
            group: String::new(),
            at: Timestamp(0),
            size,
            handle: String::new(),
            is_wanted: true,
        }
    }

    fn backlog(count: usize, bytes: usize) -> Backlog {
        Backlog::new(Limits { count, bytes }, None, Arc::default())
    }

    fn pop(backlog: &Backlog) -> Option<String> {
        match backlog.pop(|_| true) {
            Popped::Item(item) => Some(item.id),
            _ => None,
        }
    }

    #[test]
    fn it_is_bounded_by_count_and_by_bytes_and_goes_on_where_it_stalled() {
        for backlog in [backlog(2, 1000), backlog(1000, 20)] {
            assert!(backlog.offer(item("1", 10)) && backlog.offer(item("2", 10)));
            assert!(!backlog.offer(item("3", 10)));
            assert_eq!(backlog.wants(), None);
            assert_eq!(pop(&backlog).as_deref(), Some("1"));
            assert_eq!(backlog.wants().unwrap().0.as_deref(), Some("2"));
            assert!(backlog.offer(item("2", 10)), "it is in already");
            assert!(backlog.offer(item("3", 10)));
            assert_eq!([pop(&backlog), pop(&backlog)].map(Option::unwrap), ["2", "3"]);
        }
        assert!(backlog(1, 1).offer(item("1", 100)), "one of any size goes in");
    }

    #[test]
    fn an_idle_lane_is_done_up_to_what_was_read_and_a_busy_one_is_not() {
        let backlog = backlog(10, 1000);
        assert_eq!(backlog.pass("5").as_deref(), Some("5"));
        assert!(backlog.offer(item("6", 10)));
        assert_eq!(backlog.pass("9"), None);
        assert_eq!(pop(&backlog).as_deref(), Some("6"));
        assert_eq!(backlog.pass("11"), None);
        assert_eq!(backlog.settle("6"), "11");
        assert_eq!(backlog.pass("12").as_deref(), Some("12"));
    }
}
