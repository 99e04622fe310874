//! Events by calls: a target's call takes fewer bytes than a batch may have.

use std::ops::Range;

use haar_wire::Operation;

use super::super::event::Shipped;
use super::super::failure::Failure;
use super::super::run::{Passed, Run, Stage};

/// Places of events that were not taken, and why.
pub(super) type Left = Vec<(usize, String)>;

impl Run<'_> {
    /// Calls the target with entries of events, by as many calls as their sizes need. `left` reads
    /// off an answer which of the call's entries were not taken, the first of which has that place.
    pub(super) async fn by_calls<O: Operation, E>(
        &self,
        shipped: &[Shipped],
        entries: Vec<(usize, E)>,
        bytes_max: usize,
        input: impl Fn(Vec<E>) -> O::Input,
        left: impl Fn(O::Output, usize) -> Left,
    ) -> Result<Passed, Failure> {
        let ranges = cut(entries.iter().map(|(size, _)| *size), bytes_max);
        let mut entries = entries.into_iter().map(|(_, entry)| entry);
        let mut all_left = Left::new();
        for Range { start, end } in ranges {
            let part = entries.by_ref().take(end - start).collect();
            let called = self.call::<O>(Stage::Target, &self.row.target, input(part)).await;
            match called {
                Ok(answer) => all_left.extend(left(answer, start)),
                Err(failure) => {
                    return self.broke_off(shipped, all_left, start..shipped.len(), &failure);
                }
            }
        }
        self.passed(shipped, &all_left)
    }

    /// What follows from a call that failed whole: its events, and those that were to follow, are
    /// left with those that were left before.
    pub(super) fn broke_off(
        &self,
        shipped: &[Shipped],
        mut left: Left,
        rest: impl IntoIterator<Item = usize>,
        failure: &Failure,
    ) -> Result<Passed, Failure> {
        left.extend(rest.into_iter().map(|at| (at, failure.message.clone())));
        if left.len() == shipped.len() {
            return Err(failure.clone());
        }
        self.passed(shipped, &left).map_err(|_| failure.clone())
    }
}

/// Ranges of entries that one call takes each; one of any size goes alone.
pub(super) fn cut(sizes: impl IntoIterator<Item = usize>, bytes_max: usize) -> Vec<Range<usize>> {
    let (mut ranges, mut bytes) = (Vec::<Range<usize>>::new(), 0);
    for (at, size) in sizes.into_iter().enumerate() {
        bytes += size;
        match ranges.last_mut() {
            Some(last) if bytes <= bytes_max => last.end = at + 1,
            _ => {
                ranges.push(at..at + 1);
                bytes = size;
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_hold_what_they_may_and_one_of_any_size() {
        assert!(cut([], 10).is_empty());
        assert_eq!(cut([4, 6, 1, 20, 10, 1], 10), [0..2, 2..3, 3..4, 4..5, 5..6]);
    }
}
