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

    /// Stops a container's starts.
    pub(super) fn stop(&self, container: &str, stop: Stop) -> Stopped {
        let (mut all, mut stopped) = (self.0.lock(), Stopped::default());
        for (number, one) in all.iter_mut().filter(|(_, one)| one.container == container) {
            match &mut one.state {
                State::Waits => {
                    one.state = State::Stopped;
                    stopped.failed.push(*number);
                }
                State::Begins(stops) => {
                    stops.push(stop);
                    stopped.waits = true;
                }
                State::Stopped => {}
            }
        }
        stopped
    }

    /// Somebody has stopped it, or waits to.
    pub(super) fn is_stopped(&self, number: u64) -> bool {
        self.0.lock().get(&number).is_some_and(|one| match &one.state {
            State::Waits => false,
            State::Stopped => true,
            State::Begins(stops) => !stops.is_empty(),
        })
    }

    /// A start is over: who waits to stop its container.
    pub(super) fn over(&self, number: u64) -> Vec<Stop> {
        match self.0.lock().remove(&number) {
            Some(Beginning { state: State::Begins(stops), .. }) => stops,
            _ => Vec::new(),
        }
    }
}
