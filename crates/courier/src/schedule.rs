//! Which parcel is next: by time, within the bounds of its lane. Knows numbers only; parcels stay
//! in the store.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use haar_types::Timestamp;

use crate::Lane;

/// What waits, and what is being carried.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    due: BTreeMap<(Timestamp, u64), Waiting>,
    lanes: BTreeMap<Arc<Lane>, LaneState>,
}

/// A parcel that is due some time.
#[derive(Debug)]
struct Waiting {
    lane: Arc<Lane>,
    /// Its lane's place is its own already.
    has_place: bool,
}

#[derive(Debug, Default)]
struct LaneState {
    busy_count: usize,
    queue: VecDeque<u64>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Carry it.
    Carry(u64, Arc<Lane>),
    /// Nothing is due before then.
    At(Timestamp),
    /// Nothing waits.
    Idle,
}

impl Schedule {
    /// A parcel that was just sent. In an ordered lane it stands behind those that came before.
    pub(crate) fn add(&mut self, number: u64, lane: Lane, due_at: Timestamp) {
        let lane = Arc::new(lane);
        let has_place = match *lane {
            Lane::Shared(_) => false,
            Lane::Ordered(_) => {
                let state = self.lanes.entry(Arc::clone(&lane)).or_default();
                if state.busy_count > 0 {
                    return state.queue.push_back(number);
                }
                state.busy_count = 1;
                true
            }
        };
        self.due.insert((due_at, number), Waiting { lane, has_place });
    }

    /// The next parcel that is due and has a place in its lane, which it takes.
    pub(crate) fn next(&mut self, now: Timestamp, per_lane_max: usize) -> Next {
        loop {
            let Some(first) = self.due.first_entry() else { return Next::Idle };
            let (at, number) = *first.key();
            if at > now {
                return Next::At(at);
            }
            let Waiting { lane, has_place } = first.remove();
            if has_place {
                return Next::Carry(number, lane);
            }
            let state = self.lanes.entry(Arc::clone(&lane)).or_default();
            if state.busy_count < per_lane_max {
                state.busy_count += 1;
                return Next::Carry(number, lane);
            }
            state.queue.push_back(number);
        }
    }

    /// A parcel is done: its place is the next one's.
    pub(crate) fn done(&mut self, lane: &Arc<Lane>, now: Timestamp) {
        let Some(state) = self.lanes.get_mut(lane) else { return };
        match state.queue.pop_front() {
            Some(number) => {
                let waiting = Waiting { lane: Arc::clone(lane), has_place: true };
                self.due.insert((now, number), waiting);
            }
            None => {
                state.busy_count = state.busy_count.saturating_sub(1);
                if state.busy_count == 0 {
                    self.lanes.remove(lane);
                }
            }
        }
    }

    /// A parcel is to be carried again later. In an ordered lane it keeps its place.
    pub(crate) fn again(&mut self, number: u64, lane: &Arc<Lane>, at: Timestamp, now: Timestamp) {
        let has_place = matches!(**lane, Lane::Ordered(_));
        self.due.insert((at, number), Waiting { lane: Arc::clone(lane), has_place });
        if !has_place {
            self.done(lane, now);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
