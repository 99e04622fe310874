//! What one controller has yet to be told of the ledger's commits.
//!
//! One loop follows the commits for all controllers ([`crate::Driver`]) and asks each which keys a
//! commit concerns: to wake every controller for each commit, most of which are none of its
//! business, costs more than many a commit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use haar_ledger::ChangeSet;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Controller;

/// Keys that a controller may fall behind; then it looks at all.
const KEYS_MAX: usize = 65_536;

/// Keys that changed, or that all may have.
pub(crate) struct Inbox<K> {
    state: Mutex<Changed<K>>,
    came: Notify,
}

/// What changed since the last look.
pub(crate) struct Changed<K> {
    /// Each with the ledger's version that first shows the change.
    pub(crate) keys: Vec<(K, u64)>,
    /// Everything is to be looked at.
    pub(crate) lost: bool,
}

impl<K> Default for Changed<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), lost: false }
    }
}

impl<K> Inbox<K> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), came: Notify::new() }
    }

    /// Notes what of a commit concerns a controller.
    pub(crate) fn tell<C: Controller<Key = K>>(&self, controller: &C, changes: &ChangeSet) {
        if changes.lost {
            return self.lose();
        }
        let keys = catch_unwind(AssertUnwindSafe(|| controller.keys(changes)));
        match keys {
            Ok(keys) if keys.is_empty() => {}
            Ok(keys) => self.add(keys, changes.version),
            Err(_) => {
                tracing::error!(controller = C::NAME, "to name what changed panicked");
                self.lose();
            }
        }
    }

    fn add(&self, keys: Vec<K>, version: u64) {
        let mut state = self.state.lock();
        if state.keys.len() + keys.len() > KEYS_MAX {
            drop(state);
            return self.lose();
        }
        state.keys.extend(keys.into_iter().map(|key| (key, version)));
        drop(state);
        self.came.notify_one();
    }

    fn lose(&self) {
        *self.state.lock() = Changed { keys: Vec::new(), lost: true };
        self.came.notify_one();
    }

    /// Waits until something has changed. Cancelling loses nothing.
    pub(crate) async fn changed(&self) -> Changed<K> {
        loop {
            let changed = std::mem::take(&mut *self.state.lock());
            if changed.lost || !changed.keys.is_empty() {
                return changed;
            }
            self.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_is_told_once_and_who_falls_behind_looks_at_all() {
        let inbox = Inbox::<usize>::new();
        inbox.add(vec![1, 2], 7);
        inbox.add(vec![3], 8);
        let changed = inbox.changed().await;
        assert_eq!((changed.keys, changed.lost), (vec![(1, 7), (2, 7), (3, 8)], false));
        inbox.add((0..KEYS_MAX).collect(), 9);
        inbox.add(vec![4], 10);
        let changed = inbox.changed().await;
        assert_eq!((changed.keys, changed.lost), (Vec::new(), true));
        inbox.add(vec![5], 11);
        assert_eq!(inbox.changed().await.keys, [(5, 11)]);
    }
}
