//! Which parcel is next: by time, and among those that are due by who is carried for least. Knows
//! numbers only; parcels stay in the store.

mod line;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use haar_types::{AccountId, Timestamp};

use crate::{CourierSettings, Lane};
use line::{Line, Turn};

/// The lane of an account: what another account has in a lane of that name is another's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) owner: AccountId,
    pub(crate) lane: Lane,
}

/// What waits, and what is being carried.
///
/// **Invariant:** only what is being carried has a place. **Invariant:** for an account fewer
/// are carried than places were free for the last of them, so that one has half of all at most,
/// and who comes next finds some.
#[derive(Debug)]
pub(crate) struct Schedule {
    settings: CourierSettings,
    /// By when they are due.
    later: BTreeMap<(Timestamp, u64), Arc<Way>>,
    /// Those that have something due, held or carried.
    ways: BTreeMap<Arc<Way>, WayState>,
    /// The accounts of these.
    owners: BTreeMap<AccountId, OwnerState>,
    /// Accounts that could have something carried now.
    line: Line<AccountId>,
    carried_count: usize,
}

#[derive(Debug, Default)]
struct WayState {
    carried_count: usize,
    /// Due, the first before all others.
    due: VecDeque<u64>,
    /// Of an ordered lane: its first waits for its time, and all others with it.
    is_held: bool,
    turn: Option<Turn>,
}

#[derive(Debug, Default)]
struct OwnerState {
    carried_count: usize,
    /// Its lanes that could have something carried now.
    line: Line<Arc<Way>>,
    turn: Option<Turn>,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Carry it.
    Carry(u64, Arc<Way>),
    /// Nothing more can be carried before then, or before something is done.
    At(Timestamp),
    /// Nothing waits for its time.
    Idle,
}

impl Schedule {
    pub(crate) fn new(settings: CourierSettings) -> Self {
        Self {
            settings,
            later: BTreeMap::new(),
            ways: BTreeMap::new(),
            owners: BTreeMap::new(),
            line: Line::default(),
            carried_count: 0,
        }
    }

    /// A parcel that was just sent. In an ordered lane it stands behind those that came before.
    pub(crate) fn add(&mut self, number: u64, way: Way, due_at: Timestamp) {
        let way = Arc::new(way);
        if matches!(way.lane, Lane::Ordered(_)) {
            if let Some(state) = self.ways.get_mut(&way) {
                state.due.push_back(number);
                return self.settle(&way);
            }
            self.ways.insert(Arc::clone(&way), WayState { is_held: true, ..WayState::default() });
        }
        self.later.insert((due_at, number), way);
    }

    /// The next parcel that is due and gets a place: of the account that is carried for least, in
    /// its lane that is.
    pub(crate) fn next(&mut self, now: Timestamp) -> Next {
        self.come_due(now);
        match self.take() {
            Some((number, way)) => Next::Carry(number, way),
            None => self.later.first_key_value().map_or(Next::Idle, |((at, _), _)| Next::At(*at)),
        }
    }

    /// A parcel is done with: its place is free.
    pub(crate) fn done(&mut self, way: &Arc<Way>) {
        self.carried_count -= 1;
        if let Some(owner) = self.owners.get_mut(&way.owner) {
            owner.carried_count -= 1;
        }
        if let Some(state) = self.ways.get_mut(way) {
            state.carried_count -= 1;
        }
        self.settle(way);
    }

    /// A parcel is to be carried again later. In an ordered lane it stays the first.
    pub(crate) fn again(&mut self, number: u64, way: &Arc<Way>, at: Timestamp) {
        if let Some(state) = self.ways.get_mut(way) {
            state.is_held = matches!(way.lane, Lane::Ordered(_));
        }
        self.later.insert((at, number), Arc::clone(way));
        self.done(way);
    }

    /// Forgets all that is not being carried.
    pub(crate) fn clear(&mut self) {
        self.later.clear();
        let ways: Vec<Arc<Way>> = self.ways.keys().cloned().collect();
        for way in ways {
            if let Some(state) = self.ways.get_mut(&way) {
                state.due.clear();
                state.is_held = false;
            }
            self.settle(&way);
        }
    }

    /// Moves what is due to where it is carried from.
    fn come_due(&mut self, now: Timestamp) {
        while let Some(first) = self.later.first_entry() {
            let (at, number) = *first.key();
            if at > now {
                return;
            }
            let way = first.remove();
            let state = self.ways.entry(Arc::clone(&way)).or_default();
            match std::mem::take(&mut state.is_held) {
                true => state.due.push_front(number),
                false => state.due.push_back(number),
            }
            self.settle(&way);
        }
    }

    fn take(&mut self) -> Option<(u64, Arc<Way>)> {
        let free_count = self.settings.carried_max.max(1).saturating_sub(self.carried_count);
        let owner = self.line.first()?;
        let owner = self.owners.get_mut(owner).filter(|owner| owner.carried_count < free_count)?;
        let way = Arc::clone(owner.line.first()?);
        let state = self.ways.get_mut(&way)?;
        let number = state.due.pop_front()?;
        state.carried_count += 1;
        owner.carried_count += 1;
        self.carried_count += 1;
        self.settle(&way);
        Some((number, way))
    }

    /// Has a lane and its account wait where they now belong, and forgets them where they are
    /// done with.
    fn settle(&mut self, way: &Arc<Way>) {
        let Some(state) = self.ways.get_mut(way) else { return };
        let carried_max = match way.lane {
            Lane::Shared(_) => self.settings.per_lane_max.max(1),
            Lane::Ordered(_) => 1,
        };
        let may = !state.is_held && !state.due.is_empty() && state.carried_count < carried_max;
        let owner = self.owners.entry(way.owner.clone()).or_default();
        owner.line.stand(&mut state.turn, may.then_some(state.carried_count), way);
        let may = !owner.line.is_empty();
        self.line.stand(&mut owner.turn, may.then_some(owner.carried_count), &way.owner);
        if !may && owner.carried_count == 0 {
            self.owners.remove(&way.owner);
        }
        if state.carried_count == 0 && !state.is_held && state.due.is_empty() {
            self.ways.remove(way);
        }
    }
}
