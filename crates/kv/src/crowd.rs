//! Who waits for one flush of the disk.

use parking_lot::{Condvar, MutexGuard};

use crate::Pace;

/// Most moments that one flush waits ([`Pace`] says how long one is).
const MOMENTS_MAX: usize = 4;

/// While so many come in a moment, the next may bring more.
const DENSE: usize = 2;

/// Says when a flush should begin. Those who were served by one flush come back together, each a
/// moment after the other: a flush for the first of them would make all others wait for the next.
/// So a flush waits until as many are there as last time, or until hardly anybody comes any more.
/// Who is alone waits for nobody.
///
/// Lies beside the list of those who wait, under the same lock.
#[derive(Debug)]
pub struct Crowd {
    last: usize,
    wanted: usize,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { last: 1, wanted: 1 }
    }
}

impl Crowd {
    /// True when the one who flushes is to be woken for so many.
    pub fn is_there(&self, count: usize) -> bool {
        count >= self.wanted
    }

    /// True when so many are just as many as the last flush was for: nobody else is to be expected.
    pub fn is_all(&self, count: usize) -> bool {
        count == self.last
    }

    /// Notes for how many a flush is that begins now.
    pub fn flushed(&mut self, count: usize) {
        self.last = count;
    }

    /// Waits for the others; `look` finds the crowd, and counts who is there.
    pub fn gather<T>(
        guard: &mut MutexGuard<'_, T>,
        (wake, pace): (&Condvar, &Pace),
        look: impl Fn(&mut T) -> (&mut Self, usize),
    ) {
        let (crowd, mut seen) = look(guard);
        let wanted = crowd.last;
        crowd.wanted = wanted;
        for _ in 0..MOMENTS_MAX {
            if seen >= wanted {
                break;
            }
            wake.wait_for(guard, pace.moment());
            let before = seen;
            seen = look(guard).1;
            if seen < before + DENSE {
                break;
            }
        }
        look(guard).0.wanted = 1;
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn one_alone_is_enough_until_a_flush_has_served_more() {
        let mut crowd = Crowd::default();
        assert!(crowd.is_all(1) && crowd.is_there(1));
        crowd.flushed(3);
        assert!(!crowd.is_all(1) && crowd.is_all(3));
    }

    #[test]
    fn a_flush_ends_its_wait_when_all_are_back_and_also_when_they_are_not() {
        let (state, wake) = (Mutex::new((Crowd::default(), 1)), Condvar::new());
        state.lock().0.flushed(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut state = state.lock();
                state.1 += 1;
                if state.0.is_there(state.1) {
                    wake.notify_one();
                }
            });
            Crowd::gather(&mut state.lock(), (&wake, &Pace::default()), |(crowd, count)| {
                (crowd, *count)
            });
        });
        let mut state = state.lock();
        assert!(state.0.is_there(1), "who comes next is waited for anew");
        state.0.flushed(100);
        Crowd::gather(&mut state, (&wake, &Pace::default()), |(crowd, count)| (crowd, *count)); // nobody comes
        assert_eq!(state.1, 2);
    }
}
