//! A line in which who has least comes first, and of those who has waited longest.

use std::collections::BTreeMap;

/// Where one stands: what it had when it came, and how many came before.
pub(super) type Turn = (usize, u64);

/// Who waits.
#[derive(Debug)]
pub(super) struct Line<T> {
    waiting: BTreeMap<Turn, T>,
    come_count: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), come_count: 0 }
    }
}

impl<T: Clone> Line<T> {
    /// Has one stand behind those that have as much as it `has`, or nowhere where that is `None`.
    /// Who stands there already keeps its turn.
    pub(super) fn stand(&mut self, turn: &mut Option<Turn>, has: Option<usize>, one: &T) {
        if turn.map(|(had, _)| had) == has {
            return;
        }
        if let Some(turn) = turn.take() {
            self.waiting.remove(&turn);
        }
        if let Some(has) = has {
            self.come_count += 1;
            self.waiting.insert((has, self.come_count), one.clone());
            *turn = Some((has, self.come_count));
        }
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.waiting.values().next()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
