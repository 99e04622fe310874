//! How fast a receiver gets what there is for it, where its owner set a rate. That deliveries are
//! spread evenly over each second is *ours*.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use haar_types::Timestamp;
use parking_lot::Mutex;

/// Receivers that are kept in mind before those that have nothing to wait for are forgotten.
const KEPT_MAX: usize = 1000;
/// How far ahead places are given away, in microseconds: what waits for longer asks again then, when
/// the rate may be another and the receiver gone.
const AHEAD_US: u64 = 60_000_000;

/// When receivers with a rate, and the parcels that wait for them, may go on: no place is held
/// meanwhile, see [`Verdict::Later`](crate::Verdict::Later).
#[derive(Debug)]
pub struct Paces<K>(Mutex<State<K>>);

#[derive(Debug)]
struct State<K> {
    paces: BTreeMap<K, Pace>,
    /// Whose each delivery is that was sent away, and when it may be made, by its parcel's number.
    places: BTreeMap<u64, (K, u64)>,
}

/// One receiver's. Times are in microseconds.
#[derive(Debug, Default)]
struct Pace {
    per_second: u32,
    /// When it may deliver next, after all places that were given away.
    next: u64,
    /// Places that were given back.
    free: BTreeSet<u64>,
}

impl Pace {
    /// The earliest turn that is free, unless it is too far ahead.
    fn take(&mut self, now: u64) -> Option<u64> {
        self.free = self.free.split_off(&now);
        if let Some(at) = self.free.pop_first() {
            return Some(at);
        }
        let at = self.next.max(now);
        if at > now + AHEAD_US {
            return None;
        }
        self.next = at + 1_000_000 / u64::from(self.per_second.max(1));
        Some(at)
    }
}

impl<K> Default for Paces<K> {
    fn default() -> Self {
        Self(Mutex::new(State::default()))
    }
}

impl<K> Default for State<K> {
    fn default() -> Self {
        Self { paces: BTreeMap::new(), places: BTreeMap::new() }
    }
}

impl<K: Clone + Ord> Paces<K> {
    /// Takes the first free place of a receiver for a parcel, unless it has one already; answers
    /// how long to wait for it, or until there may be one. The place of one that need not wait is
    /// given back. Another rate than before makes all places void.
    pub fn wait(&self, (of, parcel): (&K, u64), per_second: u32, now: Timestamp) -> Duration {
        let (mut state, now) = (self.0.lock(), micros(now));
        state.pace(of, per_second, now);
        let State { paces, places } = &mut *state;
        let own = places.remove(&parcel).map(|(_, at)| at);
        let at = own.or_else(|| paces.get_mut(of)?.take(now));
        if let Some(at) = at.filter(|at| *at > now) {
            places.insert(parcel, (of.clone(), at));
        }
        wait_until(at, now)
    }

    /// Takes the first free place of a receiver for a call that waits by itself: how long for it,
    /// or, as an error, until there may be one.
    ///
    /// # Errors
    /// Too many wait already: the caller is to ask again, so much later.
    pub fn take(&self, of: &K, per_second: u32, now: Timestamp) -> Result<Duration, Duration> {
        let (mut state, now) = (self.0.lock(), micros(now));
        let at = state.pace(of, per_second, now).take(now);
        at.map(|_| wait_until(at, now)).ok_or_else(|| wait_until(at, now))
    }

    /// Gives back the place of a parcel that needs none any more.
    pub fn forget(&self, parcel: u64) {
        let State { paces, places } = &mut *self.0.lock();
        let Some((of, at)) = places.remove(&parcel) else { return };
        if let Some(pace) = paces.get_mut(&of) {
            pace.free.insert(at);
        }
    }

    /// Forgets all, for a reset.
    pub fn clear(&self) {
        *self.0.lock() = State::default();
    }
}

impl<K: Clone + Ord> State<K> {
    fn pace(&mut self, of: &K, per_second: u32, now: u64) -> &mut Pace {
        if self.paces.len() >= KEPT_MAX && !self.paces.contains_key(of) {
            self.paces.retain(|_, pace| pace.next > now);
        }
        let pace = self.paces.entry(of.clone()).or_default();
        if pace.per_second != per_second {
            *pace = Pace { per_second, ..Pace::default() };
            self.places.retain(|_, (whose, _)| whose != of);
        }
        pace
    }
}

fn micros(now: Timestamp) -> u64 {
    u64::try_from(now.0).unwrap_or_default() * 1000
}

/// In whole milliseconds, since clocks go by these.
fn wait_until(at: Option<u64>, now: u64) -> Duration {
    let wait = at.map_or(AHEAD_US, |at| at.saturating_sub(now));
    Duration::from_millis(wait.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str) -> String {
        id.to_owned()
    }

    #[test]
    fn a_call_that_waits_by_itself_has_a_place_among_all_others() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        assert_eq!(paces.wait((&of("a"), 1), 1, now), Duration::ZERO);
        assert_eq!(paces.take(&of("a"), 1, now), Ok(Duration::from_secs(1)));
        assert_eq!(paces.wait((&of("a"), 2), 1, now), Duration::from_secs(2));
        for _ in 0..58 {
            assert!(paces.take(&of("a"), 1, now).is_ok());
        }
        assert_eq!(paces.take(&of("a"), 1, now), Err(Duration::from_secs(60)));
    }

    #[test]
    fn deliveries_of_a_receiver_are_spread_over_seconds() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let wait = |id: &str, parcel, now| paces.wait((&of(id), parcel), 2, now).as_millis();
        let waits: Vec<u128> = (0..4).map(|parcel| wait("a", parcel, now)).collect();
        assert_eq!(waits, [0, 500, 1000, 1500]);
        assert_eq!(wait("b", 4, now), 0);
        assert_eq!(wait("a", 5, Timestamp(1_009_000)), 0);
    }

    #[test]
    fn who_comes_back_has_its_place_still() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let wait = |parcel, now| paces.wait((&of("a"), parcel), 2, now).as_millis();
        assert_eq!((wait(1, now), wait(2, now), wait(3, now)), (0, 500, 1000));
        assert_eq!(wait(2, Timestamp(1_000_400)), 100, "too early");
        assert_eq!(wait(2, Timestamp(1_000_500)), 0);
        assert_eq!(
            wait(2, Timestamp(1_000_600)),
            900,
            "its place is used up: the next is the last"
        );
        paces.forget(3);
        assert_eq!(wait(4, Timestamp(1_000_600)), 400, "the first that is free");
    }

    #[test]
    fn places_are_given_away_a_minute_ahead_and_no_more() {
        let (paces, begin) = (Paces::default(), Timestamp(1_000_000));
        let wait = |parcel, now| paces.wait((&of("a"), parcel), 1, now).as_secs();
        let waits: Vec<u64> = (0..100).map(|parcel| wait(parcel, begin)).collect();
        assert_eq!(waits[60], 60);
        assert!(waits[61..].iter().all(|wait| *wait == 60), "they ask again");
        let later = Timestamp(1_020_000);
        assert_eq!(wait(500, later), 41, "who is tried again need not wait for all others");
        assert_eq!(wait(70, Timestamp(1_060_000)), 2);
    }

    #[test]
    fn another_rate_makes_places_void() {
        let (paces, now) = (Paces::default(), Timestamp(1_000_000));
        let wait = |parcel, rate| paces.wait((&of("a"), parcel), rate, now).as_millis();
        assert_eq!((wait(1, 1), wait(2, 1), wait(3, 1)), (0, 1000, 2000));
        assert_eq!((wait(3, 10), wait(2, 10)), (0, 100));
        assert_eq!(wait(2, 10), 100);
    }
}
