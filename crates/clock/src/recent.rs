//! What was wanted of late.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Moment;

/// When each of many things was last wanted, for who removes what nobody wants: a thing that was
/// wanted a moment ago may be about to be held. Of what came earlier than it looks back, nothing
/// is kept once it was [forgotten](Self::forget).
#[derive(Debug)]
pub struct Recent<K> {
    looks_back: Duration,
    last: BTreeMap<K, Moment>,
}

impl<K: Ord> Recent<K> {
    /// Nothing was wanted yet. No question goes back further than `looks_back`.
    pub fn new(looks_back: Duration) -> Self {
        Self { looks_back, last: BTreeMap::new() }
    }

    /// Notes that `key` is wanted now.
    pub fn note(&mut self, key: K, now: Moment) {
        self.last.insert(key, now);
    }

    /// Whether `key` was wanted less than `span` before `now`; a longer span than it looks back
    /// counts as that.
    pub fn is_within(&self, key: &K, span: Duration, now: Moment) -> bool {
        let span = span.min(self.looks_back);
        self.last.get(key).is_some_and(|at| now.since(*at) < span)
    }

    /// Lets go of what was last wanted too long ago to be asked about.
    pub fn forget(&mut self, now: Moment) {
        self.last.retain(|_, at| now.since(*at) < self.looks_back);
    }

    /// Nothing was wanted, as at first.
    pub fn clear(&mut self) {
        self.last = BTreeMap::new();
    }
}
