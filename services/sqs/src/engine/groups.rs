//! The message groups of a FIFO queue: one after another within a group, groups side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What may be received, by group. **Invariant:** a group with a message in flight is not open,
/// and each open group is known by its oldest message that is ready.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
    open: BTreeMap<u64, Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    ready: BTreeSet<u64>,
    in_flight_count: usize,
    /// Its key among the open ones.
    head: Option<u64>,
}

impl Groups {
    /// A message is ready, or ready again.
    pub(crate) fn add(&mut self, group: &Arc<str>, sequence: u64) {
        self.groups.entry(Arc::clone(group)).or_default().ready.insert(sequence);
        self.settle(group);
    }

    /// A message is no longer ready.
    pub(crate) fn remove(&mut self, group: &Arc<str>, sequence: u64) {
        if let Some(known) = self.groups.get_mut(group) {
            known.ready.remove(&sequence);
        }
        self.settle(group);
    }

    /// Takes the oldest ready message of `current`, or else of the group whose turn it is, which
    /// becomes `current` and is not open until it is settled.
    pub(crate) fn pop(&mut self, current: &mut Option<Arc<str>>) -> Option<u64> {
        let more = current.as_ref().and_then(|group| self.groups.get_mut(group)?.ready.pop_first());
        if more.is_some() {
            return more;
        }
        if let Some(last) = current.take() {
            self.settle(&last);
        }
        let (_, group) = self.open.pop_first()?;
        let known = self.groups.get_mut(&group)?;
        known.head = None;
        let first = known.ready.pop_first();
        *current = Some(group);
        first
    }

    /// Counts messages in flight.
    pub(crate) fn fly(&mut self, group: &Arc<str>) {
        self.groups.entry(Arc::clone(group)).or_default().in_flight_count += 1;
        self.settle(group);
    }

    /// One message of the group is no longer in flight.
    pub(crate) fn land(&mut self, group: &Arc<str>) {
        if let Some(known) = self.groups.get_mut(group) {
            known.in_flight_count = known.in_flight_count.saturating_sub(1);
        }
        self.settle(group);
    }

    /// Opens or closes a group as its messages are.
    pub(crate) fn settle(&mut self, group: &Arc<str>) {
        let Some(known) = self.groups.get_mut(group) else { return };
        let head = known.ready.first().copied().filter(|_| known.in_flight_count == 0);
        if known.head != head {
            if let Some(old) = known.head {
                self.open.remove(&old);
            }
            if let Some(new) = head {
                self.open.insert(new, Arc::clone(group));
            }
            known.head = head;
        }
        if known.ready.is_empty() && known.in_flight_count == 0 {
            self.groups.remove(group);
        }
    }

    /// Whether a message can be received.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }
}
