//! Those who wait for one flush of the disk, of whom it may have had no room for the last.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::LedgerError;

type Outcome = Result<(), LedgerError>;

/// What becomes of all of them.
#[derive(Clone)]
struct Word {
    outcome: Outcome,
    /// The first of those for whom the disk had no room, whatever comes of the others.
    refused_from: usize,
}

impl haar_kv::Word for Word {
    fn unsaid() -> Self {
        Self { outcome: Err(LedgerError::Closed), refused_from: usize::MAX }
    }
}

/// The side that tells; dropped without a word it tells that the ledger is closed.
pub(crate) struct Told {
    group: haar_kv::Told<Word>,
    refused_from: usize,
}

/// The side of one who waits.
#[derive(Debug)]
pub(crate) struct Waits(haar_kv::Waits<Word>);

impl Default for Told {
    fn default() -> Self {
        Self { group: haar_kv::Told::default(), refused_from: usize::MAX }
    }
}

impl Told {
    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.group.count()
    }

    /// One more that waits.
    pub(crate) fn join(&mut self) -> Waits {
        Waits(self.group.join())
    }

    /// Nobody joins any more, and who did as number `seat` or later is to be told that the disk is
    /// full.
    pub(crate) fn refuse_from(&mut self, seat: usize) {
        self.refused_from = self.refused_from.min(seat);
    }

    /// Tells all of them.
    pub(crate) fn tell(self, outcome: Outcome) {
        let word = Word { outcome, refused_from: self.refused_from };
        drop(self.group.tell(word)); // each of them looks as soon as it is woken
    }
}

impl Waits {
    /// Waits by blocking the thread.
    pub(crate) fn block(self) -> Outcome {
        let seat = self.0.seat();
        self.0.block().of(seat)
    }
}

impl Future for Waits {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let word = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(word.of(self.0.seat()))
    }
}

impl Word {
    fn of(self, seat: usize) -> Outcome {
        if seat >= self.refused_from { Err(LedgerError::Full) } else { self.outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_refused_are_told_so_whatever_comes_of_the_others() {
        for outcome in [Ok(()), Err(LedgerError::Closed)] {
            let mut told = Told::default();
            let mut all: Vec<Waits> = (0..3).map(|_| told.join()).collect();
            told.refuse_from(1);
            told.tell(outcome.clone());
            let refused = all.split_off(1).into_iter().map(Waits::block);
            assert!(refused.into_iter().all(|told| matches!(told, Err(LedgerError::Full))));
            assert!(all.into_iter().all(|waits| waits.block().is_ok() == outcome.is_ok()));
        }
    }

    #[test]
    fn a_side_that_goes_tells_that_it_closed() {
        let mut told = Told::default();
        let waits = told.join();
        drop(told);
        assert!(matches!(waits.block(), Err(LedgerError::Closed)));
    }
}
