//! How far ahead a moved clock was, and since when.

use std::collections::VecDeque;
use std::time::Duration;

use haar_types::Timestamp;

/// One move of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When, by the machine's clock.
    pub at: Timestamp,
    /// How far ahead of the machine's the clock is since.
    pub offset: Duration,
}

impl Move {
    /// Moves that are remembered; the clock of before counts as the oldest one's. *Ours*.
    pub const KEPT_MAX: usize = 1024;
}

/// The latest moves, the oldest first; before any, a clock is the machine's.
#[derive(Debug, Default)]
pub(crate) struct History {
    moves: VecDeque<Move>,
    /// How far ahead the clock was before the first of them.
    before: Duration,
}

impl History {
    pub(crate) fn offset(&self) -> Duration {
        self.moves.back().map_or(self.before, |last| last.offset)
    }

    pub(crate) fn add(&mut self, at: Timestamp, offset: Duration) -> Move {
        let offset = Duration::from_millis(u64::try_from(offset.as_millis()).unwrap_or(u64::MAX));
        let last = Move { at, offset };
        self.moves.push_back(last);
        if self.moves.len() > Move::KEPT_MAX {
            self.before = self.moves.pop_front().map_or(self.before, |first| first.offset);
        }
        last
    }

    /// Takes in what an earlier process remembered.
    pub(crate) fn extend(&mut self, moves: impl IntoIterator<Item = Move>) {
        for Move { at, offset } in moves {
            self.add(at, offset);
        }
        if let Some(first) = self.moves.front().filter(|_| self.moves.len() >= Move::KEPT_MAX) {
            self.before = first.offset;
        }
    }

    /// What the clock showed at an instant of the machine's.
    pub(crate) fn of_machine(&self, at: Timestamp) -> Timestamp {
        let known = self.moves.iter().rev().find(|one| one.at <= at);
        at + known.map_or(self.before, |one| one.offset)
    }

    /// When, by the machine, the clock showed an instant, or passed it over.
    pub(crate) fn to_machine(&self, at: Timestamp) -> Timestamp {
        let mut next: Option<Timestamp> = None;
        for one in self.moves.iter().rev() {
            if one.at + one.offset <= at {
                return next.map_or(at - one.offset, |next| next.min(at - one.offset));
            }
            next = Some(one.at);
        }
        let early = at - self.before;
        next.map_or(early, |next| next.min(early))
    }
}
