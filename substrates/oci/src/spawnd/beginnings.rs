//! Starts of containers that are under way in a sandbox, and who would stop one meanwhile. A start
//! whose turn has not come fails at once; else whoever stops it waits for it.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::crew::Asked;

/// Starts by the number of who asked for them.
#[derive(Default)]
pub(super) struct Beginnings(Mutex<BTreeMap<u64, Beginning>>);

struct Beginning {
    container: String,
    state: State,
}

enum State {
    Waits,
    /// It was stopped before its turn had come.
    Stopped,
    /// Its turn has come; with those who wait to stop its container.
    Begins(Vec<Stop>),
    /// It is the next one's turn; they have still to be told.
    Ended(Vec<Stop>),
}

/// Who asked to stop a container, and how long it may take over that.
pub(super) type Stop = (Asked, Duration);

/// What stopping a container does to its starts.
#[derive(Default)]
pub(super) struct Stopped {
    /// Starts that fail, by number.
    pub(super) failed: Vec<u64>,
    /// One has begun: whoever stops it waits.
    pub(super) waits: bool,
}

impl Beginnings {
    /// Notes a start.
    pub(super) fn note(&self, number: u64, container: &str) {
        let one = Beginning { container: container.to_owned(), state: State::Waits };
        self.0.lock().entry(number).or_insert(one);
    }

    /// Its turn has come; false when it has been stopped.
    pub(super) fn begin(&self, number: u64) -> bool {
        match self.0.lock().get_mut(&number) {
            Some(Beginning { state: State::Stopped, .. }) => false,
            Some(one) => {
                one.state = State::Begins(Vec::new());
                true
            }
            None => true,
        }
    }

    /// Nothing of it is under way any more: what is from now on is of another.
    pub(super) fn end(&self, number: u64) {
        if let Some(one) = self.0.lock().get_mut(&number)
            && let State::Begins(stops) = &mut one.state
        {
            one.state = State::Ended(std::mem::take(stops));
        }
    }

    /// Stops a container's starts; `kill` ends what is under way, which is one of theirs.
    pub(super) fn stop(&self, container: &str, stop: Stop, kill: impl FnOnce()) -> Stopped {
        let (mut all, mut stopped) = (self.0.lock(), Stopped::default());
        let (mut begins, mut ended) = (None, None);
        let of_container = all.iter_mut().filter(|(_, one)| one.container == container);
        for (number, Beginning { state, .. }) in of_container {
            match state {
                State::Waits => {
                    *state = State::Stopped;
                    stopped.failed.push(*number);
                }
                State::Begins(stops) => begins = Some(stops),
                State::Ended(stops) => ended = Some(stops),
                State::Stopped => {}
            }
        }
        if begins.is_some() {
            kill(); // while nobody else's turn can come
        }
        // the newest of them tells, once it is over itself
        if let Some(stops) = begins.or(ended) {
            stops.push(stop);
            stopped.waits = true;
        }
        stopped
    }

    /// Somebody has stopped it, or waits to.
    pub(super) fn is_stopped(&self, number: u64) -> bool {
        self.0.lock().get(&number).is_some_and(|one| match &one.state {
            State::Waits => false,
            State::Stopped => true,
            State::Begins(stops) | State::Ended(stops) => !stops.is_empty(),
        })
    }

    /// A start is over: who waits to stop its container.
    pub(super) fn over(&self, number: u64) -> Vec<Stop> {
        match self.0.lock().remove(&number) {
            Some(Beginning { state: State::Begins(stops) | State::Ended(stops), .. }) => stops,
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Stop = (Asked { number: 9, losses: 0 }, Duration::ZERO);

    fn begun(beginnings: &Beginnings, number: u64, container: &str) {
        beginnings.note(number, container);
        assert!(beginnings.begin(number));
    }

    #[test]
    fn a_stop_ends_what_is_under_way_of_its_container() {
        let (beginnings, mut is_killed) = (Beginnings::default(), false);
        begun(&beginnings, 1, "main");
        assert!(!beginnings.stop("other", STOP, || is_killed = true).waits);
        assert!(!is_killed);
        assert!(beginnings.stop("main", STOP, || is_killed = true).waits);
        assert!(is_killed);
        assert_eq!(beginnings.over(1).len(), 1);
    }

    #[test]
    fn a_stop_that_comes_after_a_start_ends_nothing_of_the_next_one() {
        let (beginnings, mut is_killed) = (Beginnings::default(), false);
        begun(&beginnings, 1, "main");
        beginnings.end(1);
        begun(&beginnings, 2, "other");
        assert!(beginnings.stop("main", STOP, || is_killed = true).waits);
        assert!(!is_killed);
        assert!(beginnings.is_stopped(1) && !beginnings.is_stopped(2));
        assert_eq!((beginnings.over(1).len(), beginnings.over(2).len()), (1, 0));
    }

    #[test]
    fn a_stop_is_told_once_and_by_the_newest_start() {
        let (beginnings, mut is_killed) = (Beginnings::default(), false);
        begun(&beginnings, 1, "main");
        beginnings.end(1);
        begun(&beginnings, 2, "main");
        assert!(beginnings.stop("main", STOP, || is_killed = true).waits);
        assert!(is_killed);
        assert_eq!((beginnings.over(1).len(), beginnings.over(2).len()), (0, 1));
    }
}
